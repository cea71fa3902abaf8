/**
 * Instance types as facts: what each is made of, from AWS's own tables.
 * https://docs.aws.amazon.com/ec2/latest/instancetypes/gp.html, …/co.html, …/mo.html, …/so.html
 */
export interface InstanceTypeFacts {
  readonly name: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly network: string;
  readonly maximumInterfaces: number;
  readonly addressesPerInterface: number;
  readonly hypervisor: 'xen' | 'nitro';
  readonly threadsPerCore: 1 | 2;
  /** `default`: it is optimized for EBS without being asked. */
  readonly ebsOptimized: 'default' | 'unsupported';
  /** Instance store: NVMe disks of its host. */
  readonly disks?: { readonly count: number; readonly sizeGb: number };
  /** Burstable types only: the share of each vCPU that is earned in credits, in percent. */
  readonly baselinePercent?: number;
  readonly freeTier: boolean;
  readonly currentGeneration: boolean;
}

/** Size: vCPUs, memory in GiB, network performance, interfaces, IPv4 addresses for each, baseline in percent. */
type Row = readonly [string, number, number, string, number, number, number?];

const T2: readonly Row[] = [
  ['nano', 1, 0.5, 'Low to Moderate', 2, 2, 5],
  ['micro', 1, 1, 'Low to Moderate', 2, 2, 10],
  ['small', 1, 2, 'Low to Moderate', 3, 4, 20],
  ['medium', 2, 4, 'Low to Moderate', 3, 6, 20],
  ['large', 2, 8, 'Low to Moderate', 3, 12, 30],
  ['xlarge', 4, 16, 'Moderate', 3, 15, 22.5],
  ['2xlarge', 8, 32, 'Moderate', 3, 15, 17],
];

const T3: readonly Row[] = [
  ['nano', 2, 0.5, 'Up to 5 Gigabit', 2, 2, 5],
  ['micro', 2, 1, 'Up to 5 Gigabit', 2, 2, 10],
  ['small', 2, 2, 'Up to 5 Gigabit', 3, 4, 20],
  ['medium', 2, 4, 'Up to 5 Gigabit', 3, 6, 20],
  ['large', 2, 8, 'Up to 5 Gigabit', 3, 12, 30],
  ['xlarge', 4, 16, 'Up to 5 Gigabit', 4, 15, 40],
  ['2xlarge', 8, 32, 'Up to 5 Gigabit', 4, 15, 40],
];

/** The rows that m5 and r5 share; they differ in memory only. */
const general = (memoryPerVcpuGib: number): readonly Row[] => [
  ['large', 2, 2 * memoryPerVcpuGib, 'Up to 10 Gigabit', 3, 10],
  ['xlarge', 4, 4 * memoryPerVcpuGib, 'Up to 10 Gigabit', 4, 15],
  ['2xlarge', 8, 8 * memoryPerVcpuGib, 'Up to 10 Gigabit', 4, 15],
  ['4xlarge', 16, 16 * memoryPerVcpuGib, 'Up to 10 Gigabit', 8, 30],
  ['8xlarge', 32, 32 * memoryPerVcpuGib, '10 Gigabit', 8, 30],
  ['12xlarge', 48, 48 * memoryPerVcpuGib, '12 Gigabit', 8, 30],
  ['16xlarge', 64, 64 * memoryPerVcpuGib, '20 Gigabit', 15, 50],
  ['24xlarge', 96, 96 * memoryPerVcpuGib, '25 Gigabit', 15, 50],
];

const C5: readonly Row[] = [
  ['large', 2, 4, 'Up to 10 Gigabit', 3, 10],
  ['xlarge', 4, 8, 'Up to 10 Gigabit', 4, 15],
  ['2xlarge', 8, 16, 'Up to 10 Gigabit', 4, 15],
  ['4xlarge', 16, 32, 'Up to 10 Gigabit', 8, 30],
  ['9xlarge', 36, 72, '12 Gigabit', 8, 30],
  ['12xlarge', 48, 96, '12 Gigabit', 8, 30],
  ['18xlarge', 72, 144, '25 Gigabit', 15, 50],
  ['24xlarge', 96, 192, '25 Gigabit', 15, 50],
];

const I3: readonly Row[] = [
  ['large', 2, 15.25, 'Up to 10 Gigabit', 3, 10],
  ['xlarge', 4, 30.5, 'Up to 10 Gigabit', 4, 15],
  ['2xlarge', 8, 61, 'Up to 10 Gigabit', 4, 15],
  ['4xlarge', 16, 122, 'Up to 10 Gigabit', 8, 30],
  ['8xlarge', 32, 244, '10 Gigabit', 8, 30],
  ['16xlarge', 64, 488, '25 Gigabit', 15, 50],
];

type Disks = Readonly<Record<string, readonly [count: number, sizeGb: number]>>;

const C5D_DISKS: Disks = {
  large: [1, 50],
  xlarge: [1, 100],
  '2xlarge': [1, 200],
  '4xlarge': [1, 400],
  '9xlarge': [1, 900],
  '12xlarge': [2, 900],
  '18xlarge': [2, 900],
  '24xlarge': [4, 900],
};

/** Those of m5d and r5d. */
const GENERAL_DISKS: Disks = {
  large: [1, 75],
  xlarge: [1, 150],
  '2xlarge': [1, 300],
  '4xlarge': [2, 300],
  '8xlarge': [2, 600],
  '12xlarge': [2, 900],
  '16xlarge': [4, 600],
  '24xlarge': [4, 900],
};

const I3_DISKS: Disks = {
  large: [1, 475],
  xlarge: [1, 950],
  '2xlarge': [1, 1900],
  '4xlarge': [2, 1900],
  '8xlarge': [4, 1900],
  '16xlarge': [8, 1900],
};

const X2IEDN: readonly Row[] = [
  ['xlarge', 4, 128, 'Up to 25 Gigabit', 4, 15],
  ['2xlarge', 8, 256, 'Up to 25 Gigabit', 4, 15],
  ['4xlarge', 16, 512, 'Up to 25 Gigabit', 8, 30],
  ['8xlarge', 32, 1024, '25 Gigabit', 8, 30],
  ['16xlarge', 64, 2048, '50 Gigabit', 15, 50],
  ['24xlarge', 96, 3072, '75 Gigabit', 15, 50],
  ['32xlarge', 128, 4096, '100 Gigabit', 15, 50],
];

const X2IEDN_DISKS: Disks = {
  xlarge: [1, 118],
  '2xlarge': [1, 237],
  '4xlarge': [1, 475],
  '8xlarge': [1, 950],
  '16xlarge': [1, 1900],
  '24xlarge': [2, 1425],
  '32xlarge': [2, 1900],
};

/** Families of before Nitro. */
const XEN = new Set(['t2', 'i3']);

const FREE_TIER = new Set(['t2.micro', 't3.micro']);

function disksOf(disks: Disks, size: string): Pick<InstanceTypeFacts, 'disks'> {
  const [count, sizeGb] = disks[size] ?? [0, 0];
  return count === 0 ? {} : { disks: { count, sizeGb } };
}

function family(name: string, rows: readonly Row[], disks: Disks = {}): InstanceTypeFacts[] {
  return rows.map(([size, vcpus, memoryGib, network, interfaces, addresses, baseline]) => ({
    name: `${name}.${size}`,
    vcpus,
    memoryMib: memoryGib * 1024,
    network,
    maximumInterfaces: interfaces,
    addressesPerInterface: addresses,
    hypervisor: XEN.has(name) ? 'xen' : 'nitro',
    threadsPerCore: name === 't2' ? 1 : 2,
    ebsOptimized: name === 't2' ? 'unsupported' : 'default',
    ...disksOf(disks, size),
    ...(baseline !== undefined && { baselinePercent: baseline }),
    freeTier: FREE_TIER.has(`${name}.${size}`),
    currentGeneration: true,
  }));
}

export const instanceTypes: ReadonlyMap<string, InstanceTypeFacts> = new Map(
  [
    ...family('t2', T2),
    ...family('t3', T3),
    ...family('t3a', T3),
    ...family('m5', general(4)),
    ...family('c5', C5),
    ...family('r5', general(8)),
    ...family('m5d', general(4), GENERAL_DISKS),
    ...family('c5d', C5, C5D_DISKS),
    ...family('r5d', general(8), GENERAL_DISKS),
    ...family('i3', I3, I3_DISKS),
    ...family('x2iedn', X2IEDN, X2IEDN_DISKS),
  ].map((facts) => [facts.name, facts]),
);

/** How a burstable type spends CPU credits: t2 no more than it earned, later families may go over them. */
export const defaultCredits = (name: string): 'standard' | 'unlimited' | undefined =>
  instanceTypes.get(name)?.baselinePercent === undefined
    ? undefined
    : name.startsWith('t2.')
      ? 'standard'
      : 'unlimited';
