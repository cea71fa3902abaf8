/** A process that changes a network without end, to be killed at it: `network-crash.ts apply`. */
import { endpointNamespace, type HostLayout, hostLayout } from '@holdfast/linux/layout.ts';
import { linuxNetwork } from '@holdfast/linux/network/index.ts';
import type { VpcTopology } from '@holdfast/region/drivers/network.ts';

export const crashLayout = (): HostLayout => hostLayout({ prefix: 'hfx', publicCidr: '198.19.224.0/22' });

/** A VPC with one subnet and `count` instances that may reach each other at port 80. */
export function crashTopology(layout: HostLayout, count: number, publicAddress?: string): VpcTopology {
  const allow = { ruleNumber: 100, action: 'allow', cidr: '0.0.0.0/0', protocol: -1 } as const;
  const anyone = { protocol: -1, peer: { cidr: '0.0.0.0/0' } };
  return {
    vpcId: 'vpc-1',
    cidrs: ['10.0.0.0/16'],
    internetGateway: true,
    subnets: [
      {
        subnetId: 'subnet-1',
        cidr: '10.0.1.0/24',
        zone: 'us-west-2a',
        routeTableId: 'rtb-1',
        networkAclId: 'acl-1',
      },
    ],
    routeTables: [
      {
        routeTableId: 'rtb-1',
        routes: [
          { destination: '10.0.0.0/16', target: { kind: 'local' } },
          { destination: '0.0.0.0/0', target: { kind: 'internet-gateway' } },
        ],
      },
    ],
    networkAcls: [{ networkAclId: 'acl-1', ingress: [allow], egress: [allow] }],
    securityGroups: [{ securityGroupId: 'sg-1', ingress: [anyone], egress: [anyone] }],
    interfaces: Array.from({ length: count }, (_, index) => index + 1).map((n) => ({
      interfaceId: `eni-${n}`,
      subnetId: 'subnet-1',
      macAddress: `02:00:00:00:02:0${n}`,
      addresses: [
        { private: `10.0.1.1${n}`, ...(n === 1 && publicAddress !== undefined && { public: publicAddress }) },
      ],
      securityGroupIds: ['sg-1'],
      sourceDestCheck: true,
      attachment: { namespace: endpointNamespace(layout, `i-${n}`), deviceIndex: 0 },
    })),
    natGateways: [],
    cut: [],
  };
}

async function applyForEver(): Promise<never> {
  const layout = crashLayout();
  const network = linuxNetwork(layout);
  await network.start();
  const [found] = await network.list();
  process.send?.('started');
  for (let generation = (found?.generation ?? 0) + 1; ; generation++) {
    await network.apply(crashTopology(layout, 1 + (generation % 6)), generation);
    // Lets the parent's death be noticed.
    await new Promise((resolve) => setImmediate(resolve));
    if (!process.connected) process.exit(1);
  }
}

if (process.argv[2] === 'apply') await applyForEver();
