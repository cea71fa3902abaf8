/** GetConsoleOutput: what the instance wrote to its console, the latest 64 KiB of it. */
import type * as ec2 from '@aws-sdk/client-ec2';
import { prepared, type RequestContext } from '../../common/service.ts';
import { instanceOf } from './power.ts';

export const getConsoleOutput = prepared(
  async (input: ec2.GetConsoleOutputRequest, { drivers }) =>
    input.InstanceId ? drivers.compute.console(input.InstanceId) : undefined,
  (input: ec2.GetConsoleOutputRequest, context: RequestContext, console): ec2.GetConsoleOutputResult => {
    const { id } = instanceOf(context, input.InstanceId);
    if (!console) return { InstanceId: id, Timestamp: new Date(context.now) };
    return {
      InstanceId: id,
      Timestamp: new Date(console.at),
      Output: Buffer.from(console.output).toString('base64'),
    };
  },
);
