/**
 * What the region publishes for the edge: the process that answers what instances and the host ask all the time (DNS,
 * instance metadata, the front door on loopback). It goes on from the last published state while the region is down.
 */

/** Everything the metadata service says to one instance. */
export interface InstanceMetadata {
  readonly instanceId: string;
  readonly imageId: string;
  readonly instanceType: string;
  readonly reservationId: string;
  readonly accountId: string;
  readonly region: string;
  readonly zone: string;
  readonly zoneId: string;
  readonly placementGroup?: string;
  readonly architecture: string;
  readonly launchIndex: number;
  /** When it was last started, ISO 8601. */
  readonly pendingTime: string;
  /** Absent when there is none. Base64 of the raw bytes. */
  readonly userData?: string;
  readonly hostname: string;
  readonly publicHostname?: string;
  readonly publicAddress?: string;
  /** Key name and OpenSSH public key line. */
  readonly publicKey?: { readonly name: string; readonly material: string };
  readonly securityGroups: readonly string[];
  /** Instance tags, shown only when the metadata options say so. */
  readonly tags?: Readonly<Record<string, string>>;
  readonly lifecycle: 'on-demand';
  /** Such as `/dev/xvda`. Absent: no block device mapping is shown. */
  readonly rootDeviceName?: string;
  /** Its data volumes, such as `sdf`, in order. */
  readonly ebsDeviceNames?: readonly string[];
  readonly interfaces: readonly {
    readonly interfaceId: string;
    readonly deviceIndex: number;
    readonly macAddress: string;
    readonly addresses: readonly string[];
    readonly publicAddresses: readonly string[];
    /** Which private address each public one stands for. Absent: those at the same place of the two lists. */
    readonly associations?: readonly { readonly privateAddress: string; readonly publicAddress: string }[];
    readonly subnetId: string;
    readonly subnetCidr: string;
    readonly vpcId: string;
    readonly vpcCidrs: readonly string[];
    readonly securityGroupIds: readonly string[];
    readonly securityGroups: readonly string[];
  }[];
  readonly options: {
    readonly endpoint: 'enabled' | 'disabled';
    readonly tokens: 'optional' | 'required';
    /** IP TTL of a token's answer. */
    readonly hopLimit: number;
  };
}

export type PublishedRecord =
  /** A VPC whose router answers DNS and metadata. `resolver` is its base address plus two. */
  | { readonly kind: 'vpc'; readonly vpcId: string; readonly resolver: string; readonly dnsSupport: boolean }
  /** Who asks is known from (VPC, source address): one record for each private address of an instance. */
  | {
      readonly kind: 'metadata';
      readonly vpcId: string;
      readonly address: string;
      readonly metadata: InstanceMetadata;
    }
  /** Public keys that an OS user of an instance may log in with for the moment; the instance itself alone sees them. */
  | {
      readonly kind: 'ssh-keys';
      readonly instanceId: string;
      readonly user: string;
      /** OpenSSH lines. */
      readonly keys: readonly string[];
    }
  /**
   * A DNS name. With `vpcId` it exists in that VPC only, and wins there over one without. `check`: leave out addresses
   * that do not accept TCP on this port, unless none does.
   */
  | {
      readonly kind: 'name';
      readonly name: string;
      readonly vpcId?: string;
      readonly addresses: readonly string[];
      readonly ttlSeconds: number;
      readonly check?: { readonly port: number };
    }
  /** A load balancer's name on loopback: the front door picks it by Host header and forwards to its nodes. */
  | {
      readonly kind: 'front-door';
      readonly name: string;
      readonly nodes: readonly string[];
      readonly ports: readonly number[];
    };

/** Where published state goes. Keys are unique over all kinds. */
export interface EdgeDriver {
  /** Puts and removes records in one step. Resolves when the edge answers accordingly from now on. */
  publish(changes: {
    readonly put: ReadonlyMap<string, PublishedRecord>;
    readonly removed: readonly string[];
  }): Promise<void>;
  /** Keys of all that is published. */
  list(): Promise<string[]>;
}
