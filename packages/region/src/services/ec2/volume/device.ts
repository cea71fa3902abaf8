/**
 * Names of block devices. `/dev/sdf`, `/dev/xvdf` and `xvdf` are one place in a machine: its kernel calls it xvdf. Images
 * call their root `/dev/xvda` here, or `/dev/sda1`, as many of AWS's do: that is one place too.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/device_naming.html
 */
import { deviceInvalid } from './errors.ts';
import { ROOT_DEVICE } from './volume.ts';

const NAME = /^(?:\/dev\/)?(?:sd([a-z](?:[1-9]|1[0-5])?)|xvd([a-z](?:[1-9]|1[0-5])?|[a-d][a-z]))$/;

/** The kernel's name without its folder, such as `xvdf`. Throws for a name that no machine has. */
export function kernelName(device: string): string {
  const match = NAME.exec(device);
  if (!match) throw deviceInvalid(device);
  const name = `xvd${match[1] ?? match[2]}`;
  return name === 'xvda1' ? 'xvda' : name;
}

export const isRootDevice = (device: string): boolean => kernelName(device) === kernelName(ROOT_DEVICE);

/** The name with its folder, as a machine is told it. */
export const devicePath = (device: string): string =>
  device.startsWith('/dev/') ? device : `/dev/${device}`;
