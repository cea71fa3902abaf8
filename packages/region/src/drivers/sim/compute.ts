/** Machines that exist in memory only: they boot in no time, run no code, and end when a test says so. */
import type { Clock } from '../../clock.ts';
import type {
  BaseImage,
  ComputeDriver,
  MachineEnd,
  MachineSpec,
  MachineStatus,
  MachineUsage,
} from '../compute.ts';

/** What a test can do to simulated machines. */
export interface SimCompute extends ComputeDriver {
  /** Ends a running machine's init: by a signal, or as its guest wishes. */
  end(id: string, how: Exclude<MachineEnd, 'failed'>): void;
  /** Stops or resumes a running machine's processor from inside: it runs, but does not respond. */
  hang(id: string, hung: boolean): void;
  /** Was its processor stopped through the driver? */
  isFrozen(id: string): boolean;
  /** From now on machines with this id fail to start for this reason; undefined: start again. */
  refuse(id: string, reason: string | undefined): void;
  /** Mounts a volume inside the guest, or unmounts it: one that is mounted is not taken out unless by force. */
  mount(id: string, volumeId: string, mounted: boolean): void;
  /** The wanted state as last handed over. */
  spec(id: string): MachineSpec | undefined;
}

interface Machine {
  spec: MachineSpec;
  status: MachineStatus;
  hung: boolean;
  frozen: boolean;
  console: string;
  /** Volumes that the guest has mounted. */
  readonly mounted: Set<string>;
}

export const simBaseImage: BaseImage = {
  name: 'debian-12-amd64-simulated',
  description: 'Debian 12 (simulated)',
  architecture: 'x86_64',
  layers: ['base-debian-12-simulated'],
  sizeBytes: 257_000_000,
  createdAt: Date.UTC(2026, 0, 1),
  user: 'admin',
};

export function simCompute(clock: Clock): SimCompute {
  const machines = new Map<string, Machine>();
  const refused = new Map<string, string>();
  const watchers = new Set<(id: string) => void>();

  const stop = (machine: Machine, how: MachineEnd, detail: string): void => {
    const { id, boot, startedAt } = machine.status;
    const started = startedAt === undefined ? {} : { startedAt };
    machine.status = { id, state: 'stopped', boot, ...started, end: { how, at: clock.now(), detail } };
    machine.hung = false;
    machine.frozen = false;
    machine.mounted.clear();
  };

  /** Gives a running machine the volumes that it is to have, and takes out the others that can be. */
  const plug = (machine: Machine): void => {
    const { spec, status, mounted } = machine;
    if (status.state !== 'running') return;
    const wanted = (spec.volumes ?? []).map(({ volumeId }) => volumeId);
    for (const volumeId of spec.forceDetach ?? []) mounted.delete(volumeId);
    const kept = (status.volumes ?? [])
      .map(({ volumeId }) => volumeId)
      .filter((volumeId) => !wanted.includes(volumeId) && mounted.has(volumeId));
    machine.status = {
      ...status,
      volumes: [
        ...wanted.map((volumeId) => ({ volumeId, busy: false })),
        ...kept.map((volumeId) => ({ volumeId, busy: true })),
      ],
    };
  };

  const boot = (machine: Machine): void => {
    const { id } = machine.spec;
    machine.status = { id, state: 'running', boot: machine.spec.boot, startedAt: clock.now() };
    const missing = machine.spec.layers.find((layer) => layer !== simBaseImage.layers[0]);
    const reason = refused.get(id) ?? (missing && `image layer ${missing} does not exist`);
    if (reason !== undefined) stop(machine, 'failed', reason);
    else machine.console += `${machine.spec.hostname} login: boot ${machine.spec.boot}\n`;
  };

  const running = (id: string): Machine | undefined => {
    const machine = machines.get(id);
    return machine?.status.state === 'running' ? machine : undefined;
  };

  const end = (machine: Machine, how: MachineEnd): void => {
    stop(machine, how, how === 'killed' ? 'init was killed' : 'the guest asked for it');
    for (const changed of watchers) changed(machine.spec.id);
  };

  return {
    images: async () => [simBaseImage],

    async ensure(spec) {
      let machine = machines.get(spec.id);
      if (!machine) {
        const status: MachineStatus = { id: spec.id, state: 'stopped', boot: 0 };
        machine = { spec, status, hung: false, frozen: false, console: '', mounted: new Set() };
        machines.set(spec.id, machine);
      }
      machine.spec = spec;
      const on = machine.status.state === 'running';
      if (spec.power === 'off') {
        if (on) stop(machine, 'poweroff', 'asked to stop');
      } else if (machine.status.boot < spec.boot) {
        if (on) stop(machine, 'reboot', 'asked to boot again');
        boot(machine);
      }
      plug(machine);
      return machine.status;
    },

    async remove(id) {
      machines.delete(id);
    },

    list: async () => [...machines.values()].map((machine) => machine.status),
    status: async (id) => machines.get(id)?.status,

    watch(changed) {
      watchers.add(changed);
      return () => void watchers.delete(changed);
    },

    async console(id) {
      const machine = machines.get(id);
      if (!machine) return undefined;
      return {
        output: new TextEncoder().encode(machine.console),
        at: machine.status.startedAt ?? clock.now(),
      };
    },

    async responds(id) {
      const machine = running(id);
      return machine !== undefined && !machine.hung && !machine.frozen;
    },

    async freeze(id, frozen) {
      const machine = running(id);
      if (machine) machine.frozen = frozen;
    },

    async crash(id, boot) {
      const machine = running(id);
      if (machine?.status.boot === boot) end(machine, 'killed');
    },

    async usage(id): Promise<MachineUsage | undefined> {
      return running(id) && { cpuNs: 0, memoryBytes: 17_500_000 };
    },

    end(id, how) {
      const machine = running(id);
      if (!machine) throw new Error(`machine ${id} does not run`);
      end(machine, how);
    },

    hang(id, hung) {
      const machine = running(id);
      if (!machine) throw new Error(`machine ${id} does not run`);
      machine.hung = hung;
    },

    mount(id, volumeId, mounted) {
      const machine = running(id);
      if (!machine) throw new Error(`machine ${id} does not run`);
      if (mounted) machine.mounted.add(volumeId);
      else machine.mounted.delete(volumeId);
      plug(machine);
      for (const changed of watchers) changed(id);
    },

    isFrozen: (id) => running(id)?.frozen === true,

    refuse(id, reason) {
      if (reason === undefined) refused.delete(id);
      else refused.set(id, reason);
    },

    spec: (id) => machines.get(id)?.spec,
  };
}
