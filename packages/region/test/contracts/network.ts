/**
 * What every network driver must do, whoever is behind it: the rules of a VPC as a packet meets them. Each story
 * applies a topology and then says who reaches whom.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SecurityGroupRule, VpcTopology } from '../../src/drivers/network.ts';
import {
  allowAll,
  app,
  arrives,
  fails,
  ICMP,
  instance,
  isSeenAs,
  type NetworkUnderTest,
  port,
  storiesOf,
  TCP,
  tcp,
  trio,
  UDP,
  vpc,
  web,
  withGroup,
} from './network-kit.ts';
import { waysContract } from './network-ways.ts';

/** Runs the suite against drivers that `make` gives, each with nothing applied. */
export function networkContract(title: string, make: () => Promise<NetworkUnderTest>): void {
  const withNetwork = storiesOf(make);
  describe(`network driver: ${title}`, () => {
    test(
      'an open port answers inside and outside, a closed one nowhere',
      withNetwork(async (network) => {
        await network.driver.apply(vpc('a', { interfaces: trio(network) }), 1);
        await arrives(network, tcp('outside', network.publicAddress(1), 80), tcp('eni-a-app', web, 80));
        await fails(
          network,
          tcp('outside', network.publicAddress(1), 8080),
          tcp('eni-a-app', web, 443),
          { from: 'eni-a-app', to: web, protocol: UDP, port: 80 },
          { from: 'eni-a-app', to: web, protocol: ICMP },
        );
      }),
    );

    test(
      'a security group admits by address range, protocol and port range',
      withNetwork(async (network) => {
        const ingress: SecurityGroupRule[] = [
          { protocol: TCP, ports: { from: 8000, to: 8010 }, peer: { cidr: '10.0.2.10/32' } },
          { protocol: UDP, ports: { from: 53, to: 53 }, peer: { cidr: '10.0.2.0/24' } },
          { protocol: ICMP, peer: { cidr: '10.0.0.0/16' } },
        ];
        const plain = vpc('a', { interfaces: trio(network) });
        await network.driver.apply(withGroup(plain, 'sg-web', { ingress }), 1);
        await arrives(
          network,
          tcp('eni-a-app', web, 8000),
          tcp('eni-a-app', web, 8010),
          { from: 'eni-a-other', to: web, protocol: UDP, port: 53 },
          { from: 'eni-a-other', to: web, protocol: ICMP },
        );
        await fails(
          network,
          tcp('eni-a-app', web, 8011),
          tcp('eni-a-other', web, 8000),
          tcp('outside', network.publicAddress(1), 8000),
        );
      }),
    );

    test(
      'a security group admits members of another one, also inside a subnet, and follows who is in it',
      withNetwork(async (network) => {
        const interfaces = trio(network);
        await network.driver.apply(vpc('a', { interfaces }), 1);
        await arrives(network, tcp('eni-a-web', app, 8080));
        await fails(network, tcp('eni-a-other', app, 8080), tcp('eni-a-web', app, 80));
        const joined = interfaces.map((one) =>
          one.interfaceId === 'eni-a-other' ? { ...one, securityGroupIds: ['sg-other', 'sg-web'] } : one,
        );
        await network.driver.apply(vpc('a', { interfaces: joined }), 2);
        await arrives(network, tcp('eni-a-other', app, 8080));
      }),
    );

    test(
      'an egress rule holds the sender back',
      withNetwork(async (network) => {
        const plain = vpc('a', { interfaces: trio(network) });
        const egress = [port(8080, { cidr: '10.0.2.0/24' })];
        await network.driver.apply(withGroup(plain, 'sg-web', { egress }), 1);
        await arrives(network, tcp('eni-a-web', app, 8080), tcp('outside', network.publicAddress(1), 80));
        await isSeenAs(network, 'eni-a-web', undefined);
        await network.driver.apply(withGroup(plain, 'sg-web', { egress: [] }), 2);
        await fails(network, tcp('eni-a-web', app, 8080));
      }),
    );

    test(
      'a network ACL denies in order and without memory, between subnets only',
      withNetwork(async (network) => {
        const interfaces = [...trio(network), instance(network, 'a', 'eni-a-near', 1, 11, ['sg-other'])];
        const acl = (change: Partial<VpcTopology['networkAcls'][number]>): VpcTopology => {
          const [first, second] = vpc('a').networkAcls;
          return vpc('a', { interfaces, networkAcls: [{ ...first!, ...change }, second!] });
        };
        const denyWeb = {
          ruleNumber: 90,
          action: 'deny',
          cidr: '10.0.2.0/24',
          protocol: TCP,
          ports: { from: 80, to: 80 },
        } as const;
        await network.driver.apply(acl({ ingress: [allowAll, denyWeb] }), 1);
        await arrives(network, tcp('eni-a-near', web, 80), tcp('outside', network.publicAddress(1), 80));
        await fails(network, tcp('eni-a-app', web, 80));

        await network.driver.apply(acl({ ingress: [allowAll, { ...denyWeb, ruleNumber: 110 }] }), 2);
        await arrives(network, tcp('eni-a-app', web, 80));

        // The answer goes to a port above 1023, and no rule lets it out.
        const onlyLow = { ...allowAll, protocol: TCP, ports: { from: 1, to: 1023 } };
        await network.driver.apply(acl({ egress: [onlyLow] }), 3);
        await fails(network, tcp('eni-a-app', web, 80), tcp('outside', network.publicAddress(1), 80));
      }),
    );

    test(
      'two VPCs with the same addresses do not see each other',
      withNetwork(async (network) => {
        await network.driver.apply(vpc('a', { interfaces: trio(network) }), 1);
        const alone = [instance(network, 'b', 'eni-b-alone', 2, 20, ['sg-web'])];
        await network.driver.apply(vpc('b', { interfaces: alone }), 1);
        await fails(network, tcp('eni-b-alone', web, 80), tcp('eni-a-web', '10.0.2.20', 80));
        await arrives(network, tcp('eni-a-app', web, 80));
      }),
    );

    test(
      'what is cut off neither sends nor receives, and comes back as it was',
      withNetwork(async (network) => {
        const whole = vpc('a', { interfaces: trio(network) });
        await network.driver.apply({ ...whole, cut: ['eni-a-web'] }, 1);
        await fails(
          network,
          tcp('outside', network.publicAddress(1), 80),
          tcp('eni-a-app', web, 80),
          tcp('eni-a-web', app, 8080),
        );
        assert.equal(await network.driver.probe('vpc-a', 'eni-a-web'), false);
        assert.equal(await network.driver.probe('vpc-a', 'eni-a-app'), true);
        await network.driver.apply(whole, 2);
        await arrives(network, tcp('outside', network.publicAddress(1), 80), tcp('eni-a-web', app, 8080));
        assert.equal(await network.driver.probe('vpc-a', 'eni-a-web'), true);
      }),
    );

    test(
      'an older generation is ignored, the same one may be repeated, also after a restart',
      withNetwork(async (network) => {
        const interfaces = trio(network);
        const open = vpc('a', { interfaces });
        const shut = withGroup(open, 'sg-web', { ingress: [] });
        await network.driver.apply(open, 5);
        await network.driver.apply(shut, 4);
        await arrives(network, tcp('eni-a-app', web, 80));
        assert.deepEqual(await network.driver.list(), [{ vpcId: 'vpc-a', generation: 5 }]);
        const driver = network.reopen ? await network.reopen() : network.driver;
        await driver.apply(shut, 4);
        assert.deepEqual(await driver.list(), [{ vpcId: 'vpc-a', generation: 5 }]);
        await arrives(network, tcp('eni-a-app', web, 80));
        await driver.apply(open, 5);
        await arrives(network, tcp('eni-a-app', web, 80), tcp('eni-a-web', app, 8080));
        await driver.apply(shut, 6);
        await fails(network, tcp('eni-a-app', web, 80));
      }),
    );

    test(
      'a detached interface is gone, and may be attached again',
      withNetwork(async (network) => {
        const interfaces = trio(network);
        const detached = interfaces.map((one) => {
          if (one.interfaceId !== 'eni-a-web') return one;
          const { attachment, ...rest } = one;
          assert.ok(attachment);
          return rest;
        });
        await network.driver.apply(vpc('a', { interfaces }), 1);
        await network.driver.apply(vpc('a', { interfaces: detached }), 2);
        await fails(network, tcp('eni-a-app', web, 80));
        assert.equal(await network.driver.probe('vpc-a', 'eni-a-web'), false);
        await network.driver.apply(vpc('a', { interfaces }), 3);
        await arrives(network, tcp('eni-a-app', web, 80));
      }),
    );

    test(
      'a removed VPC is gone, also when it is removed twice',
      withNetwork(async (network) => {
        await network.driver.apply(vpc('a', { interfaces: trio(network) }), 7);
        await network.driver.remove('vpc-a');
        await network.driver.remove('vpc-a');
        assert.deepEqual(await network.driver.list(), []);
        await fails(network, tcp('outside', network.publicAddress(1), 80));
        assert.equal(await network.driver.probe('vpc-a', 'eni-a-web'), false);
        await network.driver.apply(vpc('a', { interfaces: trio(network) }), 1);
        await arrives(network, tcp('outside', network.publicAddress(1), 80));
      }),
    );

    test(
      'a topology that names what it does not contain is refused and changes nothing',
      withNetwork(async (network) => {
        const interfaces = trio(network);
        await network.driver.apply(vpc('a', { interfaces }), 1);
        const [first, ...rest] = interfaces;
        const wrong = vpc('a', { interfaces: [{ ...first!, securityGroupIds: ['sg-gone'] }, ...rest] });
        await assert.rejects(network.driver.apply(wrong, 2), /sg-gone/);
        await arrives(network, tcp('eni-a-app', web, 80));
        assert.deepEqual(await network.driver.list(), [{ vpcId: 'vpc-a', generation: 1 }]);
      }),
    );

    waysContract(withNetwork);
  });
}
