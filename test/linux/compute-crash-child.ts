/** The part of the crash test that is killed: takes one machine through its life, again and again. */
import { linuxCompute } from '../../packages/linux/src/compute/index.ts';
import type { HostLayout } from '../../packages/linux/src/layout.ts';
import { linuxVolumes } from '../../packages/linux/src/volumes/index.ts';
import type { MachineSpec, MachineVolume } from '../../packages/region/src/drivers/compute.ts';

const { layout, machine, data } = JSON.parse(process.argv[2] ?? '') as {
  layout: HostLayout;
  machine: MachineSpec;
  data: MachineVolume;
};
const driver = linuxCompute(layout);
const volumes = linuxVolumes(layout);
const withData = { ...machine, volumes: [...(machine.volumes ?? []), data] };
process.send?.('begin');
for (let boot = machine.boot; ; boot += 2) {
  process.send?.({ boot });
  await driver.ensure({ ...machine, boot });
  process.send?.({ boot: boot + 1 });
  await driver.ensure({ ...withData, boot: boot + 1 });
  await volumes.snapshot(`vol-${machine.id}`, `snap-${machine.id}-${boot}`);
  await driver.ensure({ ...machine, boot: boot + 1 });
  await driver.ensure({ ...withData, boot: boot + 1 });
  await driver.ensure({ ...machine, power: 'off', boot: boot + 1 });
}
