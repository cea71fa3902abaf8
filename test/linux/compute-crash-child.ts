/** The part of the crash test that is killed: takes one machine through its life, again and again. */
import { linuxCompute } from '../../packages/linux/src/compute/index.ts';
import type { HostLayout } from '../../packages/linux/src/layout.ts';
import type { MachineSpec } from '../../packages/region/src/drivers/compute.ts';

const { layout, machine } = JSON.parse(process.argv[2] ?? '') as { layout: HostLayout; machine: MachineSpec };
const driver = linuxCompute(layout);
process.send?.('begin');
for (let boot = machine.boot; ; boot += 2) {
  process.send?.({ boot });
  await driver.ensure({ ...machine, boot });
  process.send?.({ boot: boot + 1 });
  await driver.ensure({ ...machine, boot: boot + 1 });
  await driver.capture(machine.id, `ami-${boot}`);
  await driver.ensure({ ...machine, power: 'off', boot: boot + 1 });
}
