/** RunInstances. */
import type * as ec2 from '@aws-sdk/client-ec2';
import { onceByToken } from '../../common/idempotency.ts';
import { prepared, type RequestContext } from '../../common/service.ts';
import { idempotentParameterMismatch } from '../errors.ts';
import { importBaseImages } from '../image/image.ts';
import { type Instance, instances } from '../records.ts';
import { launchInstances } from './launch.ts';
import { shapeReservations, surroundings } from './shape.ts';

function run(input: ec2.RunInstancesRequest, context: RequestContext): ec2.Reservation {
  // The service's own fields of a launch are not the caller's to set.
  const {
    reservedTags: _,
    subnet: __,
    ...request
  } = input as ec2.RunInstancesRequest & Record<string, unknown>;
  const ids = onceByToken(
    context,
    { call: 'RunInstances', token: input.ClientToken, input, mismatch: idempotentParameterMismatch },
    () => launchInstances(context, request as ec2.RunInstancesRequest).map((instance) => instance.id),
  );
  const launched = ids
    .map((id) => context.tx.get(instances, context.region, id))
    .filter((instance): instance is Instance => instance !== undefined);
  return shapeReservations(launched, surroundings(context))[0] ?? { Instances: [], Groups: [] };
}

export const runInstances = prepared(importBaseImages, run);
