/**
 * The loop `ec2.nat-gateway`. Wanted: a NAT gateway that the network has, or one that it has no more. Observed: how far
 * its VPC is in force. Woken by the gateway itself and by its VPC coming into force.
 *
 * A gateway is `available` when the network carries it, and `deleted` when the network has let it go: only then its
 * interface goes, and its Elastic IP is free. Gateways that failed or were deleted stay visible for a while.
 * https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-working-with.html
 */
import type { ReconcileResult, Reconciler } from '../../../reconcile/reconciler.ts';
import { keyOf, type Resource, type ResourceKey } from '../../../store/resource.ts';
import { type LoopContext, loopScope } from '../../common/service.ts';
import { type NatGateway, type NatGatewayStatus, natGateways, vpcs } from '../records.ts';
import { deleteInterface, isInForce } from './interface.ts';
import { stateOf } from './nat-gateway-state.ts';

export function natGatewayLoop(context: LoopContext): Reconciler {
  const { store, clock, settings } = context;

  const write = (key: ResourceKey, status: NatGatewayStatus): void =>
    store.transaction((tx) => {
      const current = tx.get(natGateways, key.region, key.id);
      if (current) tx.update(current, { status });
    });

  /** The network has let it go: its interface and its Elastic IP are free. */
  const finish = (gateway: NatGateway): void =>
    store.transaction((tx) => {
      const current = tx.get(natGateways, gateway.region, gateway.id);
      if (!current) return;
      deleteInterface(loopScope(context, tx, gateway.region), current.spec.interfaceId ?? '');
      tx.update(current, { status: { state: 'deleted', endedAt: clock.now() } });
    });

  const bringAbout = (gateway: NatGateway): ReconcileResult | undefined => {
    const { spec, status, region, revision } = gateway;
    const inForce = isInForce(store, spec.vpcId, region, revision);
    switch (stateOf(gateway)) {
      case 'pending':
        if (inForce) write(gateway, { state: 'available' });
        return undefined;
      case 'deleting':
        if (inForce) finish(gateway);
        return undefined;
      case 'available':
        return undefined;
    }
    if (status.endedAt === undefined) {
      write(gateway, { state: 'failed', endedAt: clock.now() });
      return undefined;
    }
    const leftMs = status.endedAt + settings.terminatedVisibleMs - clock.now();
    if (leftMs > 0) return { requeueAfterMs: leftMs };
    store.transaction((tx) => tx.remove(gateway));
    return undefined;
  };

  return {
    name: 'ec2.nat-gateway',

    keysFor(changed: Resource) {
      if (changed.kind === natGateways.kind) return [keyOf(changed)];
      if (changed.kind !== vpcs.kind) return [];
      return store
        .list(natGateways, changed.region)
        .filter(({ spec, status }) => spec.vpcId === changed.id && status.endedAt === undefined)
        .map(keyOf);
    },

    async reconcile(key) {
      const gateway = store.get(natGateways, key.region, key.id);
      return gateway && bringAbout(gateway);
    },
  };
}
