/**
 * VPC networks on this machine: a router namespace for each VPC, a routed veth for each network interface, one
 * nftables table in each router, and one namespace that is the internet of the region.
 *
 * `apply` plans first and changes then, synchronously: nothing else of this process can come in between. A failed or
 * killed `apply` is put right by the next, which takes nothing for granted that it has not done itself.
 */
import type { NetworkDriver, VpcTopology } from '@holdfast/region/drivers/network.ts';
import { forgetFlows } from '../host/conntrack.ts';
import { deleteVeths, type LinkEnd, untilReady } from '../host/links.ts';
import { listNamespaces, namespaceExists, removeNamespace } from '../host/namespaces.ts';
import { withNetlink } from '../host/netlink.ts';
import { runNft } from '../host/nftables.ts';
import { type HostLayout, internetNamespace, linkName, routerNamespace } from '../layout.ts';
import {
  disconnectRouter,
  type EgressOptions,
  hostLink,
  routePublicAddresses,
  startInternet,
} from './internet.ts';
import { type LinksPlan, planLinks } from './plan-links.ts';
import { planNftables } from './plan-nftables.ts';
import { pinger } from './probe.ts';
import { ensureRouter, matchLinks, matchRoutes } from './router.ts';
import { diff, type Ruleset } from './ruleset.ts';
import { forgetVpc, OwnedNamespaces, readVpc, recordedVpcs, type VpcRecord, writeVpc } from './state.ts';

export { missingForNetwork } from './doctor.ts';
export { hostAddress, publicAddressesTakenBy, reservedPublicCidr } from './internet.ts';
export { removeAll } from './remove.ts';

export interface LinuxNetworkOptions extends EgressOptions {}

export interface LinuxNetwork extends NetworkDriver {
  /** Brings up the region's internet and the host's way to it. Before the first `apply`; may be repeated. */
  start(): Promise<void>;
  /** Closes what this process holds open. Everything made stays in force. */
  close(): void;
}

/** A VPC as this process has put it in force itself. Only of such a one is it known what stands in the kernel. */
interface InForce {
  readonly ruleset: Ruleset;
  readonly links: LinksPlan;
  /** `links` as text, to compare. */
  readonly linksText: string;
}

/** Who has each private address, and each public one. */
interface Owners {
  readonly ofPrivate: Map<string, string>;
  readonly ofPublic: Map<string, string>;
}

function owners(topology: VpcTopology | undefined): Owners {
  const ofPrivate = new Map<string, string>();
  const ofPublic = new Map<string, string>();
  for (const { interfaceId, attachment, addresses } of topology?.interfaces ?? []) {
    for (const address of attachment ? addresses : []) {
      ofPrivate.set(address.private, interfaceId);
      if (address.public !== undefined) ofPublic.set(address.public, `${interfaceId} ${address.private}`);
    }
  }
  for (const { natGatewayId, privateAddress, publicAddress } of topology?.natGateways ?? []) {
    ofPrivate.set(privateAddress, natGatewayId);
    if (publicAddress !== undefined) ofPublic.set(publicAddress, natGatewayId);
  }
  return { ofPrivate, ofPublic };
}

/**
 * Forgets the flows of addresses that have changed hands, so that what was allowed to the old owner does not count as
 * allowed to the new one. A public address is forgotten as soon as it goes, because flows from inside would go on using
 * it. A private one that has gone leads nowhere: it is enough to forget it when somebody else gets it. Returns those
 * that have gone.
 */
function forgetMoved(router: string, last: VpcRecord | undefined, next: VpcTopology): string[] {
  const before = owners(last?.topology);
  const now = owners(next);
  const left = new Set(last?.left);
  for (const [address, owner] of before.ofPrivate)
    if (now.ofPrivate.get(address) !== owner) left.add(address);
  const moved = [...before.ofPublic].filter(([address, owner]) => now.ofPublic.get(address) !== owner);
  const reused = [...left].filter((address) => now.ofPrivate.has(address));
  forgetFlows(
    router,
    'public',
    moved.map(([address]) => address),
  );
  forgetFlows(router, 'private', reused);
  return [...left].filter((address) => !now.ofPrivate.has(address));
}

export function linuxNetwork(layout: HostLayout, options: LinuxNetworkOptions = {}): LinuxNetwork {
  const owned = new OwnedNamespaces(layout);
  const records = new Map<string, VpcRecord | undefined>();
  const inForce = new Map<string, InForce>();
  const ping = pinger();

  const recordOf = (vpcId: string): VpcRecord | undefined => {
    if (!records.has(vpcId)) records.set(vpcId, readVpc(layout, vpcId));
    return records.get(vpcId);
  };
  const record = (vpcId: string, value: VpcRecord): void => {
    writeVpc(layout, vpcId, value);
    records.set(vpcId, value);
  };

  /** As little as possible; everything, when that fails or when it is not known what is there. */
  const putRules = (router: string, before: Ruleset | undefined, after: Ruleset): void => {
    const commands = diff(before, after);
    if (commands === '') return;
    try {
      runNft(router, commands);
    } catch (error) {
      if (!before) throw error;
      runNft(router, diff(undefined, after));
    }
  };

  const removeUnwantedNamespaces = (vpcId: string, wanted: ReadonlySet<string>): void => {
    for (const name of owned.of(vpcId)) {
      if (wanted.has(name)) continue;
      removeNamespace(name);
      owned.delete(name);
    }
  };

  const putLinks = (
    vpcId: string,
    plan: LinksPlan,
    last: LinksPlan | undefined,
    trusted: boolean,
  ): LinkEnd[] => {
    const router = routerNamespace(layout, vpcId);
    for (const { namespace } of plan.links) {
      if (owned.has(namespace) || !namespaceExists(namespace)) owned.add(namespace, vpcId);
    }
    const added = withNetlink(router, (netlink) => {
      const before = new Map((last?.links ?? []).map((link) => [link.name, link]));
      const ends = matchLinks(router, netlink, plan.links, { links: before, trusted });
      matchRoutes(netlink, plan);
      return ends;
    });
    routePublicAddresses(layout, vpcId, plan.publicAddresses);
    if (!trusted) added.push({ namespace: internetNamespace(layout), name: linkName(layout, vpcId) });
    return added;
  };

  const applyNow = (topology: VpcTopology, generation: number): LinkEnd[] => {
    const { vpcId } = topology;
    const last = recordOf(vpcId);
    if (last && generation < last.generation) return [];
    const ruleset = planNftables(topology, layout);
    const links = planLinks(topology, layout);
    if (!namespaceExists(internetNamespace(layout))) throw new Error('network: start() comes before apply()');

    const linksText = JSON.stringify(links);
    if (!last) record(vpcId, { generation: 0 });
    const known = inForce.get(vpcId);
    // Until this is through, nothing is known for certain.
    inForce.delete(vpcId);
    const router = routerNamespace(layout, vpcId);
    const trusted = known !== undefined && namespaceExists(router);
    if (!trusted) ensureRouter(layout, vpcId);
    // Rules before links: a link that the table does not know yet carries nothing.
    putRules(router, trusted ? known.ruleset : undefined, ruleset);
    // A generation that is given again is meant to put right what is not: then the links are looked at in any case.
    const again = generation === last?.generation;
    const added =
      trusted && !again && known.linksText === linksText
        ? []
        : putLinks(
            vpcId,
            links,
            trusted ? known.links : last?.topology && planLinks(last.topology, layout),
            trusted,
          );
    const left = forgetMoved(router, last, topology);
    removeUnwantedNamespaces(vpcId, new Set(links.links.map((link) => link.namespace)));
    record(vpcId, { generation, topology, left });
    inForce.set(vpcId, { ruleset, links, linksText });
    return added;
  };

  const removeNow = (vpcId: string): void => {
    const router = routerNamespace(layout, vpcId);
    inForce.delete(vpcId);
    ping.forget(router);
    // A machine that still runs holds its namespace: its links must go all the same.
    if (namespaceExists(router)) withNetlink(router, deleteVeths);
    if (namespaceExists(internetNamespace(layout))) disconnectRouter(layout, vpcId);
    removeNamespace(router);
    removeUnwantedNamespaces(vpcId, new Set());
    forgetVpc(layout, vpcId);
    records.delete(vpcId);
  };

  return {
    async start() {
      // Should the internet have to be made anew, routers have lost their links to it.
      inForce.clear();
      startInternet(layout, options);
      await untilReady([{ name: hostLink(layout) }]);
    },
    async apply(topology, generation) {
      await untilReady(applyNow(topology, generation));
    },
    async remove(vpcId) {
      removeNow(vpcId);
    },
    async list() {
      const prefix = `${layout.prefix}-vpc-`;
      const routers = listNamespaces(prefix).map((name) => name.slice(layout.prefix.length + 1));
      const vpcIds = new Set([...recordedVpcs(layout), ...routers]);
      return [...vpcIds].sort().map((vpcId) => ({ vpcId, generation: recordOf(vpcId)?.generation ?? 0 }));
    },
    async probe(vpcId, interfaceId) {
      const topology = recordOf(vpcId)?.topology;
      const found = topology?.interfaces.find((one) => one.interfaceId === interfaceId);
      const address = found?.attachment && found.addresses[0]?.private;
      const router = routerNamespace(layout, vpcId);
      if (address === undefined || !namespaceExists(router)) return false;
      return ping.answers(router, address);
    },
    close: () => ping.close(),
  };
}
