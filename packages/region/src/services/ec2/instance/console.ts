/** GetConsoleOutput: what the instance wrote to its console, the latest 64 KiB of it. And GetPasswordData. */
import type * as ec2 from '@aws-sdk/client-ec2';
import { prepared, type RequestContext } from '../../common/service.ts';
import { latestConsoleUnsupported } from '../compute-errors.ts';
import { instanceTypes } from '../instance-types.ts';
import { instanceOf } from './power.ts';

export const getConsoleOutput = prepared(
  async (input: ec2.GetConsoleOutputRequest, { drivers }) =>
    input.InstanceId ? drivers.compute.console(input.InstanceId) : undefined,
  (input: ec2.GetConsoleOutputRequest, context: RequestContext, console): ec2.GetConsoleOutputResult => {
    const { id, spec } = instanceOf(context, input.InstanceId);
    // What is given is always the latest; AWS has it of Nitro's types only.
    if (input.Latest && instanceTypes.get(spec.instanceType)?.hypervisor !== 'nitro') {
      throw latestConsoleUnsupported();
    }
    if (!console) return { InstanceId: id, Timestamp: new Date(context.now) };
    return {
      InstanceId: id,
      Timestamp: new Date(console.at),
      Output: Buffer.from(console.output).toString('base64'),
    };
  },
);

/** Linux has no administrator's password: AWS answers an empty one. */
export function getPasswordData(
  input: ec2.GetPasswordDataRequest,
  context: RequestContext,
): ec2.GetPasswordDataResult {
  const { id, spec } = instanceOf(context, input.InstanceId);
  return { InstanceId: id, Timestamp: new Date(spec.launchedAt), PasswordData: '' };
}
