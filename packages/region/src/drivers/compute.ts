/**
 * What the region needs of whatever runs its instances. Every call is idempotent and safe to repeat after a crash at any
 * moment; a driver keeps what it must remember on its own disk and never asks the region.
 */
import type { TimeMs } from '../clock.ts';

/** How a boot of a machine came to its end. */
export type MachineEnd =
  /** The guest shut itself down in order (`poweroff`, `halt`), or was asked to by `ensure`. */
  | 'poweroff'
  /** The guest asked for a reboot; it is down and waits to be started again. */
  | 'reboot'
  /** Its init died without having been asked to: killed, crashed, out of memory. */
  | 'killed'
  /** It could not be started at all; `detail` says why. */
  | 'failed';

/** A volume as a machine has it. */
export interface MachineVolume {
  readonly volumeId: string;
  /** As the API names it: `/dev/xvda`, `/dev/sdf`. The guest finds it under the names that AWS's kernels give it. */
  readonly device: string;
  /** `root`: it holds what the machine has changed of its image. At most one. */
  readonly role: 'root' | 'data';
}

/** One machine as wanted. */
export interface MachineSpec {
  /** The instance id, `i-…`. */
  readonly id: string;
  /** Name of the network namespace it lives in. The network driver makes it and its interfaces before. */
  readonly namespace: string;
  readonly hostname: string;
  /** What lies under the root volume, unchanged: layer ids, the base first. */
  readonly layers: readonly string[];
  /**
   * What it is to have, volumes that exist. Data volumes come and go while it runs: one that is no longer named is taken
   * out as soon as the guest has nothing of it mounted. The root volume is the same for as long as a boot lasts.
   */
  readonly volumes?: readonly MachineVolume[];
  /** Volumes that are taken out though the guest has them mounted, as a pulled cable would. */
  readonly forceDetach?: readonly string[];
  readonly vcpus: number;
  readonly memoryBytes: number;
  /** `systemd` unless the launch asked for the light init. */
  readonly init: 'systemd' | 'nano';
  readonly power: 'on' | 'off';
  /**
   * Counts the boots wanted so far, from 1. With `power: 'on'`, a machine whose latest boot is older is (shut down in
   * order if it runs, and) started once; a boot that has begun is never begun again, also when it has ended since.
   */
  readonly boot: number;
  /** How long an orderly shutdown may take before the machine is killed. 0 kills at once. */
  readonly shutdownTimeoutMs: number;
}

/** One machine as found. */
export interface MachineStatus {
  readonly id: string;
  readonly state: 'running' | 'stopped';
  /** The latest boot that was begun; 0 when only its disk exists. */
  readonly boot: number;
  /** When the latest boot began. */
  readonly startedAt?: TimeMs;
  /** How the latest boot ended, while `stopped`. */
  readonly end?: { readonly how: MachineEnd; readonly at: TimeMs; readonly detail: string };
  /**
   * Volumes that it has now, while running. `busy`: it is to be taken out, and the guest has it mounted still; whoever
   * watches is called when that may have changed.
   */
  readonly volumes?: readonly { readonly volumeId: string; readonly busy: boolean }[];
  /** Process id of the machine's init on this machine, while running and where there is such a thing. */
  readonly initPid?: number;
}

/** An image that comes with the driver. */
export interface BaseImage {
  /** Stable and unique, such as `debian-12-amd64-20261120`. */
  readonly name: string;
  readonly description: string;
  readonly architecture: 'x86_64' | 'arm64';
  readonly layers: readonly string[];
  readonly sizeBytes: number;
  readonly createdAt: TimeMs;
  /** Who logs in by SSH, such as `admin`. */
  readonly user: string;
  /** The account has brought it; it is none of those that come with the driver. */
  readonly imported?: boolean;
}

/** What a machine has used since its boot. */
export interface MachineUsage {
  readonly cpuNs: number;
  readonly memoryBytes: number;
}

export interface ComputeDriver {
  /** The images that can be booted without anybody having made one. */
  images(): Promise<BaseImage[]>;

  /**
   * Makes the machine what `machine` says and returns what it is then. Waits for an orderly shutdown, but not for a boot
   * to finish: a machine is `running` as soon as its init does. What keeps a machine from starting is not an exception
   * but a status with `end.how === 'failed'`; exceptions are for what may pass (the caller repeats).
   */
  ensure(machine: MachineSpec): Promise<MachineStatus>;

  /** Kills the machine, and removes its disk and all that was made for it. Already gone is success. */
  remove(id: string): Promise<void>;

  /** All machines that exist, also half-made and dead ones. */
  list(): Promise<MachineStatus[]>;

  /** One machine, or undefined when nothing of it exists. */
  status(id: string): Promise<MachineStatus | undefined>;

  /** Calls `changed` with the id of a machine that may have ended, within 100 ms of its end. Returns the way to stop. */
  watch(changed: (id: string) => void): () => void;

  /** Everything the machine wrote to its console since it was made, the latest 64 KiB of it, and when it last wrote. */
  console(id: string): Promise<{ output: Uint8Array; at: TimeMs } | undefined>;

  /** Is its init alive and able to run (not frozen)? False for a machine that does not run. */
  responds(id: string): Promise<boolean>;

  /**
   * Stops the processor of a running machine, or lets it go on from where it was; resolves when it is so. It stays frozen
   * whatever else is done with it until it is let go or its boot ends: the next boot is never
   * frozen. A machine that does not run is left as it is.
   */
  freeze(id: string, frozen: boolean): Promise<void>;

  /** Kills the machine's init unasked, as a crash would, if it is in that boot; frozen or not. Otherwise nothing happens. */
  crash(id: string, boot: number): Promise<void>;

  /** CPU time and memory of a running machine; undefined for one that does not run. */
  usage(id: string): Promise<MachineUsage | undefined>;
}
