/**
 * What a change of a network costs, from the call of `apply` until it is in force. Run as root: `node bench/network.ts`.
 * Everything stands in namespaces of prefix `hfb` and is removed at the end.
 */

import { endpointNamespace, hostLayout } from '@holdfast/linux/layout.ts';
import { linuxNetwork, missingForNetwork, removeAll } from '@holdfast/linux/network/index.ts';
import { addressAt } from '@holdfast/linux/network/ipv4.ts';
import type { NetworkInterfaceTopology, VpcTopology } from '@holdfast/region/drivers/network.ts';

const INTERFACES = 200;
const ROUNDS = 20;

const missing = missingForNetwork();
if (missing.length > 0) {
  console.log(`network bench skipped, missing: ${missing.map(({ what }) => what).join(', ')}`);
  process.exit(0);
}

const layout = hostLayout({ prefix: 'hfb', publicCidr: '198.19.16.0/22' });
const allow = { ruleNumber: 100, action: 'allow', cidr: '0.0.0.0/0', protocol: -1 } as const;

function vpc(vpcId: string, change: Partial<VpcTopology> = {}): VpcTopology {
  return {
    vpcId,
    cidrs: ['10.0.0.0/16'],
    internetGateway: true,
    subnets: [1, 2, 3, 4].map((n) => ({
      subnetId: `subnet-${n}`,
      cidr: `10.0.${n}.0/24`,
      zone: n % 2 ? 'us-west-2a' : 'us-west-2b',
      routeTableId: n < 3 ? 'rtb-public' : 'rtb-private',
      networkAclId: 'acl-1',
    })),
    routeTables: ['rtb-public', 'rtb-private'].map((routeTableId) => ({
      routeTableId,
      routes: [
        { destination: '10.0.0.0/16', target: { kind: 'local' } },
        { destination: '0.0.0.0/0', target: { kind: 'internet-gateway' } },
      ],
    })),
    networkAcls: [{ networkAclId: 'acl-1', ingress: [allow], egress: [allow] }],
    securityGroups: [group([])],
    interfaces: [],
    natGateways: [],
    cut: [],
    ...change,
  };
}

function group(ports: readonly number[]): VpcTopology['securityGroups'][number] {
  return {
    securityGroupId: 'sg-1',
    ingress: ports.map((port) => ({
      protocol: 6,
      ports: { from: port, to: port },
      peer: { cidr: '0.0.0.0/0' },
    })),
    egress: [{ protocol: -1, peer: { cidr: '0.0.0.0/0' } }],
  };
}

function networkInterface(n: number, publicAddress?: string): NetworkInterfaceTopology {
  const subnet = 1 + (n % 4);
  return {
    interfaceId: `eni-${n}`,
    subnetId: `subnet-${subnet}`,
    macAddress: `02:00:00:00:${(n >> 8).toString(16).padStart(2, '0')}:${(n & 255).toString(16).padStart(2, '0')}`,
    addresses: [
      {
        private: `10.0.${subnet}.${10 + (n >> 2)}`,
        ...(publicAddress !== undefined && { public: publicAddress }),
      },
    ],
    securityGroupIds: ['sg-1'],
    sourceDestCheck: true,
    attachment: { namespace: endpointNamespace(layout, `i-${n}`), deviceIndex: 0 },
  };
}

const rows: { measure: string; 'p50 ms': string; 'max ms': string; 'target ms': string }[] = [];

async function measure(
  name: string,
  targetMs: number | undefined,
  step: (round: number) => Promise<void>,
  rounds = ROUNDS,
): Promise<void> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    await step(round);
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  rows.push({
    measure: name,
    'p50 ms': times[Math.floor(times.length / 2)]!.toFixed(1),
    'max ms': times.at(-1)!.toFixed(1),
    'target ms': targetMs === undefined ? '' : String(targetMs),
  });
}

removeAll(layout);
const network = linuxNetwork(layout);
try {
  await measure('start', undefined, () => network.start(), 1);
  await measure('VPC with 4 subnets', 100, (round) => network.apply(vpc(`vpc-${round}`), 1), 5);

  let generation = 1;
  let interfaces: NetworkInterfaceTopology[] = [];
  const apply = (change: Partial<VpcTopology>): Promise<void> =>
    network.apply(vpc('vpc-0', { interfaces, ...change }), ++generation);
  await measure('interface added (first 20)', 20, (round) => {
    interfaces = [...interfaces, networkInterface(round)];
    return apply({});
  });
  for (let n = ROUNDS; n < INTERFACES - ROUNDS; n++) interfaces = [...interfaces, networkInterface(n)];
  await measure(`${INTERFACES - 2 * ROUNDS} interfaces at once`, undefined, () => apply({}), 1);
  await measure(`interface added (180 to ${INTERFACES})`, 20, (round) => {
    interfaces = [...interfaces, networkInterface(INTERFACES - ROUNDS + round)];
    return apply({});
  });
  await measure(`rule added to a group of ${INTERFACES}`, 20, (round) =>
    apply({ securityGroups: [group(Array.from({ length: round + 1 }, (_, n) => 8000 + n))] }),
  );
  await measure('zone cut: half of the interfaces', 20, (round) =>
    apply({ cut: round % 2 ? [] : interfaces.filter((_, n) => n % 2).map((one) => one.interfaceId) }),
  );
  const address = addressAt(layout.publicCidr, 10);
  await measure('public address moved', 20, (round) =>
    apply({ interfaces: interfaces.map((one, n) => (n === round ? networkInterface(n, address) : one)) }),
  );
  await measure('the same again', 20, () => apply({}));
  await measure('probe', 20, async (round) => void (await network.probe('vpc-0', `eni-${round}`)));
  network.close();
  const restarted = linuxNetwork(layout);
  await measure(
    `first apply after a restart, ${INTERFACES} interfaces`,
    undefined,
    () => restarted.apply(vpc('vpc-0', { interfaces }), ++generation),
    1,
  );
  await measure('interface removed', undefined, () => {
    interfaces = interfaces.slice(1);
    return restarted.apply(vpc('vpc-0', { interfaces }), ++generation);
  });
  await measure('VPC removed, 180 interfaces', undefined, () => restarted.remove('vpc-0'), 1);
} finally {
  removeAll(layout);
}
console.table(rows);
