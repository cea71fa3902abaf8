/**
 * The volumes that a machine has in its present boot. Written down before each step, in the machine's run folder (which
 * ends with the host's boot, as loop devices do), so that whoever comes after a crash finds every loop device.
 *
 * A volume is taken out by cutting its loop device off from its file, and the device itself stays until the boot ends: a
 * guest may keep a way to its device that nobody sees (an open file, a second name of the node), and the number must
 * not lead to the next volume that gets it.
 */
import { existsSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { MachineSpec, MachineVolume } from '@holdfast/region/drivers/compute.ts';
import { readOptional, replaceFile } from '../host/files.ts';
import type { HostLayout } from '../layout.ts';
import {
  cutLoop,
  endLoop,
  findLoops,
  isClaimed,
  isCut,
  loopBytes,
  loopsOf,
  type OpenLoop,
  openLoop,
} from '../volumes/loop.ts';
import { volumeFile } from '../volumes/paths.ts';
import { openPool } from '../volumes/pool.ts';
import { type BlockDevice, hideDevice, showDevice, showSize } from './devices.ts';
import { CannotStart, VolumeInUse } from './disk.ts';
import { isMachineId, listMachineFolders, type MachinePaths, machinePaths } from './record.ts';

export interface AttachedVolume {
  readonly volumeId: string;
  /** `/dev/sdf`, as it was asked for. */
  readonly device: string;
  readonly role: 'root' | 'data';
  /** Its place among the machine's NVMe devices, as a Nitro instance counts them: 0 is the root volume. */
  readonly index: number;
  /** The minor of its loop device; missing while it is being made. */
  readonly loop?: number;
  /** `shown`: the guest has it. `leaving`: it is to be taken out, and was busy. `out`: only its number is kept. */
  readonly state: 'new' | 'shown' | 'leaving' | 'out';
}

/** How long what used a volume before (its file system is being written out) may take to let go of it. */
const freeWithinMs = 10_000;

/** As the kernels of AWS's Xen instances name it: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/device_naming.html */
const guestName = (device: string, role: MachineVolume['role']): string => {
  if (role === 'root') return 'xvda';
  const name = device.replace(/^\/dev\//, '').replace(/^sd/, 'xvd');
  if (!/^[a-z][a-z0-9]{0,15}$/.test(name)) throw new Error(`device ${JSON.stringify(device)} is not a name`);
  return name;
};

const blockDevice = (volume: AttachedVolume): BlockDevice => {
  const name = guestName(volume.device, volume.role);
  const asked = volume.device.replace(/^\/dev\//, '');
  const serial = volume.volumeId.replace('-', '');
  return {
    name,
    loop: volume.loop!,
    sizeBytes: loopBytes(volume.loop!),
    // On a root volume lies the file system that the host has mounted: writing past it would be for this host's kernel.
    node: volume.role === 'data',
    links: [
      ...(asked === name ? [] : [asked]),
      `nvme${volume.index}n1`,
      ...(volume.volumeId.startsWith('vol-') ? [`disk/by-id/nvme-Amazon_Elastic_Block_Store_${serial}`] : []),
    ],
  };
};

export function attachedVolumes(paths: MachinePaths): AttachedVolume[] {
  const text = readOptional(paths.volumes);
  return text === undefined ? [] : (JSON.parse(text) as AttachedVolume[]);
}

/** Those that the guest has, or is about to lose. */
export const presentVolumes = (paths: MachinePaths): AttachedVolume[] =>
  attachedVolumes(paths).filter(({ state }) => state === 'shown' || state === 'leaving');

function write(paths: MachinePaths, volumes: readonly AttachedVolume[]): void {
  replaceFile(paths.volumes, JSON.stringify(volumes));
}

function update(paths: MachinePaths, changed: AttachedVolume): void {
  const others = attachedVolumes(paths).filter((one) => one.index !== changed.index || one.state === 'out');
  write(paths, [...others, changed]);
}

/** Notes the root volume, whose device the mount keeps, so that the guest sees how large it is. */
export function noteRoot(paths: MachinePaths, { volumeId, device }: MachineVolume, loop: number): void {
  const root = { volumeId, device, role: 'root', index: 0, loop, state: 'shown' } as const;
  write(paths, [root]);
  showDevice(paths, blockDevice(root));
}

/** Makes a loop device of a volume, once no other one can write to it. Throws `VolumeInUse` when that takes too long. */
export async function openVolume(
  layout: HostLayout,
  volumeId: string,
  options: { endsAlone: boolean },
): Promise<OpenLoop> {
  const file = volumeFile(layout, volumeId);
  if (!existsSync(file)) await openPool(layout);
  if (!existsSync(file)) throw new CannotStart(`the volume ${volumeId} is not on this machine`);
  for (const until = performance.now() + freeWithinMs; ; await delay(5)) {
    // In one go with the look: another machine may be waiting for the same volume.
    if (loopsOf(file).length === 0) return openLoop(file, options);
    if (performance.now() > until) throw new VolumeInUse(volumeId);
  }
}

async function makeLoop(layout: HostLayout, volumeId: string, begun: boolean): Promise<number> {
  // The device that an earlier process made for this machine, before it could write that down.
  const [made] = begun ? loopsOf(volumeFile(layout, volumeId)) : [];
  if (made) return made.number;
  const loop = await openVolume(layout, volumeId, { endsAlone: false });
  loop.close();
  return loop.number;
}

async function putIn(layout: HostLayout, paths: MachinePaths, volume: MachineVolume): Promise<void> {
  const all = attachedVolumes(paths);
  const known = all.find(({ volumeId, state }) => volumeId === volume.volumeId && state !== 'out');
  if (known?.state === 'shown') return;
  if (known?.state === 'leaving') return update(paths, { ...known, state: 'shown' });
  const taken = all.filter(({ state }) => state !== 'out').map(({ index }) => index);
  const index =
    known?.index ??
    Array.from({ length: taken.length + 2 }, (_, n) => n).find((n) => n > 0 && !taken.includes(n))!;
  const begun: AttachedVolume = { ...volume, index, state: 'new' };
  if (!known) update(paths, begun);
  const loop = known?.loop ?? (await makeLoop(layout, volume.volumeId, known !== undefined));
  update(paths, { ...begun, loop });
  showDevice(paths, blockDevice({ ...begun, loop }));
  update(paths, { ...begun, loop, state: 'shown' });
}

async function takeOut(
  layout: HostLayout,
  paths: MachinePaths,
  volume: AttachedVolume,
  force: boolean,
): Promise<void> {
  if (volume.loop === undefined) {
    // Begun by a process that was killed: the guest has never seen it.
    endLoops(layout, volume);
    return write(
      paths,
      attachedVolumes(paths).filter(({ index, state }) => index !== volume.index || state === 'out'),
    );
  }
  if (!isCut(volume.loop)) {
    if (!force && isClaimed(volume.loop)) return update(paths, { ...volume, state: 'leaving' });
    await cutLoop(volume.loop);
  }
  await hideDevice(paths, blockDevice(volume));
  update(paths, { ...volume, state: 'out' });
}

/** Gives the machine the data volumes that it is to have, and takes the others out: those that are busy, later. */
export async function changeVolumes(
  layout: HostLayout,
  paths: MachinePaths,
  machine: MachineSpec,
): Promise<void> {
  const wanted = (machine.volumes ?? []).filter(({ role }) => role === 'data');
  const isWanted = ({ volumeId }: AttachedVolume): boolean => wanted.some((one) => one.volumeId === volumeId);
  for (const volume of attachedVolumes(paths)) {
    if (volume.role === 'root' || volume.state === 'out' || isWanted(volume)) continue;
    await takeOut(layout, paths, volume, machine.forceDetach?.includes(volume.volumeId) ?? false);
  }
  for (const volume of wanted) await putIn(layout, paths, volume);
}

/** Lets the machine that has the volume, if there is one, see how large it is now. */
export function showGrowth(layout: HostLayout, volumeId: string): void {
  for (const id of listMachineFolders(layout).filter(isMachineId)) {
    const paths = machinePaths(layout, id);
    const volume = presentVolumes(paths).find((one) => one.volumeId === volumeId);
    if (volume) showSize(paths, blockDevice(volume));
  }
}

/** Is there a volume to be taken out that nobody has mounted any more? */
export const canTakeOut = (paths: MachinePaths): boolean =>
  attachedVolumes(paths).some(({ state, loop }) => state === 'leaving' && !isClaimed(loop!));

/** Lets go of the loop devices of one volume in this machine. Its number may be another's by now, the file is not. */
function endLoops(layout: HostLayout, { volumeId, loop }: AttachedVolume): void {
  const file = volumeFile(layout, volumeId);
  const found = loop === undefined ? loopsOf(file) : findLoops(dirname(file), loop);
  for (const one of found) if (basename(one.file) === volumeId || one.cut) endLoop(one.number);
}

/** Lets go of all loop devices, when nothing of the machine runs any more. */
export function endVolumes(layout: HostLayout, paths: MachinePaths): void {
  for (const volume of attachedVolumes(paths)) if (volume.role === 'data') endLoops(layout, volume);
}
