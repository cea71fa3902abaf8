/** The stories of the contract about routes, gateways and public addresses. */
import { test } from 'node:test';
import type { NetworkInterfaceTopology, VpcTopology } from '../../src/drivers/network.ts';
import {
  app,
  arrives,
  fails,
  instance,
  isSeenAs,
  privateRoute,
  type storiesOf,
  tcp,
  trio,
  vpc,
  web,
} from './network-kit.ts';

export function waysContract(withNetwork: ReturnType<typeof storiesOf>): void {
  test(
    'without an internet gateway, a route or a public address nothing gets out or in',
    withNetwork(async (network) => {
      const interfaces = [...trio(network), instance(network, 'a', 'eni-a-near', 1, 11, ['sg-web'])];
      await network.driver.apply(vpc('a', { interfaces }), 1);
      await isSeenAs(network, 'eni-a-web', network.publicAddress(1));
      await isSeenAs(network, 'eni-a-app', undefined);
      await isSeenAs(network, 'eni-a-near', undefined);
      await network.driver.apply(vpc('a', { interfaces, internetGateway: false }), 2);
      await isSeenAs(network, 'eni-a-web', undefined);
      await fails(network, tcp('outside', network.publicAddress(1), 80));
    }),
  );

  test(
    'a NAT gateway lends its public address, and is a blackhole when it is gone',
    withNetwork(async (network) => {
      const gateway = {
        natGatewayId: 'nat-a',
        subnetId: 'subnet-a-public',
        privateAddress: '10.0.1.200',
        publicAddress: network.publicAddress(2),
      };
      const plain = vpc('a', { interfaces: trio(network), natGateways: [gateway] });
      const routed = privateRoute(plain, { kind: 'nat-gateway', natGatewayId: 'nat-a' });
      await network.driver.apply(routed, 1);
      await isSeenAs(network, 'eni-a-app', network.publicAddress(2));
      await arrives(network, tcp('eni-a-app', network.publicAddress(1), 80));
      await fails(
        network,
        tcp('outside', network.publicAddress(2), 80),
        tcp('outside', network.publicAddress(2), 8080),
      );

      await network.driver.apply({ ...routed, cut: ['nat-a'] }, 2);
      await isSeenAs(network, 'eni-a-app', undefined);
      await network.driver.apply(routed, 3);
      await isSeenAs(network, 'eni-a-app', network.publicAddress(2));
      await network.driver.apply({ ...routed, natGateways: [] }, 4);
      await isSeenAs(network, 'eni-a-app', undefined);
    }),
  );

  test(
    'an instance with two interfaces answers through the one that was asked, by each of its addresses',
    withNetwork(async (network) => {
      const [first, far, other] = trio(network);
      const near = instance(network, 'a', 'eni-a-near', 1, 11, ['sg-web']);
      const second: NetworkInterfaceTopology = {
        ...instance(network, 'a', 'eni-a-second', 2, 20, ['sg-web']),
        addresses: [
          { private: '10.0.2.20', public: network.publicAddress(3) },
          { private: '10.0.2.21', public: network.publicAddress(4) },
        ],
        attachment: { namespace: first!.attachment!.namespace, deviceIndex: 1 },
      };
      const apply = (generation: number, ...more: NetworkInterfaceTopology[]): Promise<void> => {
        const interfaces = [first!, far!, other!, near, ...more];
        const topology = privateRoute(vpc('a', { interfaces }), { kind: 'internet-gateway' });
        return network.driver.apply(topology, generation);
      };
      await apply(1, second);
      await arrives(
        network,
        ...[1, 3, 4].map((n) => tcp('outside', network.publicAddress(n), 80)),
        ...['eni-a-near', 'eni-a-app'].flatMap((from) =>
          [web, '10.0.2.20', '10.0.2.21'].map((address) => tcp(from, address, 80)),
        ),
      );
      // Joins a running instance, and leaves it again.
      await apply(2);
      await fails(network, tcp('outside', network.publicAddress(3), 80));
      await apply(3, second);
      await arrives(network, tcp('outside', network.publicAddress(4), 80), tcp('eni-a-app', web, 80));
      await apply(4);
      await arrives(network, tcp('outside', network.publicAddress(1), 80), tcp('eni-a-app', web, 80));
    }),
  );

  test(
    'a public address answers by the internet gateway or not at all',
    withNetwork(async (network) => {
      const [first, second, third] = trio(network);
      const address = { private: app, public: network.publicAddress(3) };
      const gateway = {
        natGatewayId: 'nat-a',
        subnetId: 'subnet-a-public',
        privateAddress: '10.0.1.200',
        publicAddress: network.publicAddress(2),
      };
      const interfaces = [
        first!,
        { ...second!, securityGroupIds: ['sg-web'], addresses: [address] },
        { ...third!, sourceDestCheck: false },
      ];
      const plain = vpc('a', { interfaces, natGateways: [gateway] });
      const ask = ['outside', 'eni-a-web'].map((from) => tcp(from, network.publicAddress(3), 80));
      await network.driver.apply(privateRoute(plain, { kind: 'nat-gateway', natGatewayId: 'nat-a' }), 1);
      await fails(network, ...ask);
      await network.driver.apply(privateRoute(plain, { kind: 'interface', interfaceId: 'eni-a-other' }), 2);
      await fails(network, ...ask);
      await network.driver.apply(privateRoute(plain, { kind: 'internet-gateway' }), 3);
      await arrives(network, ...ask);
    }),
  );

  test(
    'a blackhole route drops, and a route that changes counts at once',
    withNetwork(async (network) => {
      const plain = vpc('a', { interfaces: trio(network) });
      const internet = { destination: '0.0.0.0/0', target: { kind: 'internet-gateway' } } as const;
      const local = { destination: '10.0.0.0/16', target: { kind: 'local' } } as const;
      const hole = { destination: `${network.outsideAddress}/32`, target: { kind: 'blackhole' } } as const;
      const routes = (...list: (typeof internet | typeof local | typeof hole)[]): VpcTopology => ({
        ...plain,
        routeTables: [{ routeTableId: 'rtb-public', routes: list }, plain.routeTables[1]!],
      });
      await network.driver.apply(routes(local, internet, hole), 1);
      await isSeenAs(network, 'eni-a-web', undefined);
      await network.driver.apply(routes(local, internet), 2);
      await isSeenAs(network, 'eni-a-web', network.publicAddress(1));
    }),
  );

  test(
    'a public address moves to another interface and to another VPC',
    withNetwork(async (network) => {
      const address = network.publicAddress(1);
      const near = (publicAddress?: string) =>
        instance(network, 'a', 'eni-a-near', 1, 11, ['sg-app'], publicAddress);
      const closed = (publicAddress?: string) => {
        const { addresses, ...rest } = trio(network)[0]!;
        return {
          ...rest,
          addresses: [{ private: addresses[0]!.private, ...(publicAddress && { public: publicAddress }) }],
        };
      };
      await network.driver.apply(vpc('a', { interfaces: [closed(address), near()] }), 1);
      await arrives(network, tcp('outside', address, 80));
      await network.driver.apply(vpc('a', { interfaces: [closed(), near(address)] }), 2);
      await isSeenAs(network, 'eni-a-near', address);
      await isSeenAs(network, 'eni-a-web', undefined);
      await fails(network, tcp('outside', address, 80));

      await network.driver.apply(vpc('a', { interfaces: [closed(), near()] }), 3);
      const there = instance(network, 'b', 'eni-b-web', 1, 10, ['sg-web'], address);
      await network.driver.apply(vpc('b', { interfaces: [there] }), 1);
      await arrives(network, tcp('outside', address, 80));
      await isSeenAs(network, 'eni-b-web', address);
    }),
  );
}
