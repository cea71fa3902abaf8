/** Network interfaces that come and go while their instance runs, and their addresses. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type * as ec2 from '@aws-sdk/client-ec2';
import { interfaceAddressOperations } from '../src/services/ec2/network/interface-address.ts';
import { interfaceAttachmentOperations } from '../src/services/ec2/network/interface-attachment.ts';
import { called, networkWorld } from './ec2-network-world.ts';

const world = await networkWorld();
const { call, refused } = world;
const { network } = world.drivers;
const [subnet] = (await call('DescribeSubnets', { Filters: [{ Name: 'availability-zone', Values: ['*a'] }] }))
  .Subnets;
const { SubnetId, VpcId } = subnet;
const web: string = (await call('CreateSecurityGroup', { GroupName: 'web', Description: 'web' })).GroupId;
const all = { IpProtocol: '-1', IpRanges: [{ CidrIp: '0.0.0.0/0' }] };
await call('AuthorizeSecurityGroupIngress', { GroupId: web, IpPermissions: [all] });

const launch = (more: object = {}): Promise<string> =>
  world.launchOne({ SubnetId, SecurityGroupIds: [web], ...more });
const create = async (more: object = {}): Promise<ec2.NetworkInterface> =>
  (await call('CreateNetworkInterface', { SubnetId, Groups: [web], ...more })).NetworkInterface;
const shown = async (id: string | undefined): Promise<ec2.NetworkInterface> =>
  (await call('DescribeNetworkInterfaces', { NetworkInterfaceIds: [id] })).NetworkInterfaces[0];
const addressesOf = async (id: string | undefined): Promise<(string | undefined)[]> =>
  ((await shown(id)).PrivateIpAddresses ?? []).map((one) => one.PrivateIpAddress);
const answers = (from: string, to: string | undefined): boolean =>
  network.reaches({ from, to: to ?? '', protocol: 6, port: 80 });
const primaryOf = async (id: string): Promise<string> =>
  (await world.describe(id)).NetworkInterfaces?.[0]?.NetworkInterfaceId ?? '';
const metadataOf = (address: string | undefined) =>
  [...world.drivers.edge.records.values()].find(
    (record) => record.kind === 'metadata' && record.address === address,
  );

describe('a second interface', () => {
  it('joins a running instance and leaves it', async () => {
    const id = await launch();
    const asker = await primaryOf(await launch());
    const { NetworkInterfaceId, PrivateIpAddress } = await create();
    assert.equal(answers(asker, PrivateIpAddress), false);
    const attach = { NetworkInterfaceId, InstanceId: id, DeviceIndex: 1 };
    const { AttachmentId } = await call('AttachNetworkInterface', attach);
    await world.idle();
    assert.ok(answers(asker, PrivateIpAddress));
    const topology = network.topology(VpcId);
    const wanted = topology?.interfaces.find(({ interfaceId }) => interfaceId === NetworkInterfaceId);
    assert.deepEqual(wanted?.attachment, { namespace: id, deviceIndex: 1 });
    const instance = await world.describe(id);
    assert.deepEqual(
      instance.NetworkInterfaces?.map((one) => [one.Attachment?.DeviceIndex, one.Attachment?.Status]),
      [
        [0, 'attached'],
        [1, 'attached'],
      ],
    );
    assert.ok(metadataOf(PrivateIpAddress));
    assert.equal(await refused('DeleteNetworkInterface', { NetworkInterfaceId }), 'InvalidParameterValue');
    assert.equal(await refused('AttachNetworkInterface', attach), 'InvalidNetworkInterface.InUse');

    await call('DetachNetworkInterface', { AttachmentId, Force: true });
    await world.idle();
    assert.equal(answers(asker, PrivateIpAddress), false);
    assert.equal((await shown(NetworkInterfaceId)).Status, 'available');
    assert.equal(metadataOf(PrivateIpAddress), undefined);
    assert.equal(await refused('DetachNetworkInterface', { AttachmentId }), 'InvalidAttachmentID.NotFound');
    await call('DeleteNetworkInterface', { NetworkInterfaceId });
  });

  it('takes its Elastic IP along to another instance', async () => {
    const [first, second] = [await launch(), await launch()];
    const { NetworkInterfaceId } = await create();
    const { AllocationId, PublicIp } = await call('AllocateAddress');
    await call('AssociateAddress', { AllocationId, NetworkInterfaceId });
    const instanceOf = async (): Promise<string> =>
      (await call('DescribeAddresses', { AllocationIds: [AllocationId] })).Addresses[0].InstanceId;
    const attach = async (InstanceId: string): Promise<string> =>
      (await call('AttachNetworkInterface', { NetworkInterfaceId, InstanceId, DeviceIndex: 1 })).AttachmentId;
    const AttachmentId = await attach(first);
    assert.equal(await instanceOf(), first);
    await call('DetachNetworkInterface', { AttachmentId });
    await attach(second);
    await world.idle();
    assert.equal(await instanceOf(), second);
    assert.ok(network.reaches({ from: 'outside', to: PublicIp, protocol: 6, port: 80 }));
    const named = { AllocationId, InstanceId: second };
    assert.equal(await refused('AssociateAddress', named), 'InvalidInstanceID');
  });

  it('goes with its instance only when it is said to', async () => {
    const id = await launch();
    const [kept, gone] = [await create(), await create()];
    const attach = async ({ NetworkInterfaceId }: ec2.NetworkInterface, DeviceIndex: number) =>
      (await call('AttachNetworkInterface', { NetworkInterfaceId, InstanceId: id, DeviceIndex }))
        .AttachmentId;
    // A t3.micro has two interfaces at most.
    const AttachmentId = await attach(gone, 1);
    await assert.rejects(attach(kept, 2), { code: 'AttachmentLimitExceeded' });
    await call('ModifyNetworkInterfaceAttribute', {
      NetworkInterfaceId: gone.NetworkInterfaceId,
      Attachment: { AttachmentId, DeleteOnTermination: true },
    });
    const other = await launch();
    await call('AttachNetworkInterface', {
      NetworkInterfaceId: kept.NetworkInterfaceId,
      InstanceId: other,
      DeviceIndex: 1,
    });
    await call('TerminateInstances', { InstanceIds: [id, other] });
    await world.advance(10_000);
    assert.equal((await shown(kept.NetworkInterfaceId)).Status, 'available');
    const { NetworkInterfaceId } = gone;
    const describing = { NetworkInterfaceIds: [NetworkInterfaceId] };
    assert.equal(
      await refused('DescribeNetworkInterfaces', describing),
      'InvalidNetworkInterfaceID.NotFound',
    );
  });

  it('is refused where it cannot be', async () => {
    const id = await launch();
    const { NetworkInterfaceId } = await create();
    const attach = (more: object) =>
      refused('AttachNetworkInterface', { NetworkInterfaceId, InstanceId: id, DeviceIndex: 1, ...more });
    assert.equal(await attach({ DeviceIndex: 0 }), 'InvalidParameterValue');
    assert.equal(await attach({ DeviceIndex: undefined }), 'MissingParameter');
    assert.equal(await attach({ InstanceId: 'i-00000000000000000' }), 'InvalidInstanceID.NotFound');
    assert.equal(await attach({ NetworkInterfaceId: 'eni-0' }), 'InvalidNetworkInterfaceID.NotFound');
    const { Subnets } = await call('DescribeSubnets', {
      Filters: [{ Name: 'availability-zone', Values: ['*b'] }],
    });
    const far = await create({ SubnetId: Subnets[0].SubnetId });
    assert.equal(await attach({ NetworkInterfaceId: far.NetworkInterfaceId }), 'InvalidParameterCombination');
    const primary = (await world.describe(id)).NetworkInterfaces?.[0]?.Attachment?.AttachmentId;
    assert.equal(await refused('DetachNetworkInterface', { AttachmentId: primary }), 'OperationNotPermitted');
    const { spec } = world.managed(SubnetId, 'node-7');
    const managed = spec.attachment?.attachmentId;
    assert.match(managed ?? '', /^ela-attach-/);
    assert.equal(await refused('DetachNetworkInterface', { AttachmentId: managed }), 'OperationNotPermitted');
    await call('TerminateInstances', { InstanceIds: [id] });
    assert.equal(await attach({}), 'IncorrectState');
  });
});

describe('secondary addresses', () => {
  it('are given by number or by name, answer, and are taken back', async () => {
    const { NetworkInterfaceId } = await create();
    const instance = await launch({
      SubnetId: undefined,
      SecurityGroupIds: undefined,
      NetworkInterfaces: [{ DeviceIndex: 0, NetworkInterfaceId }],
    });
    const asker = await primaryOf(await launch());
    const counted = await call('AssignPrivateIpAddresses', {
      NetworkInterfaceId,
      SecondaryPrivateIpAddressCount: 1,
    });
    // A t3.micro has two addresses for each interface.
    assert.equal(counted.AssignedPrivateIpAddresses.length, 1);
    const [{ PrivateIpAddress: second }] = counted.AssignedPrivateIpAddresses;
    assert.equal(
      await refused('AssignPrivateIpAddresses', { NetworkInterfaceId, SecondaryPrivateIpAddressCount: 1 }),
      'PrivateIpAddressLimitExceeded',
    );
    await world.idle();
    assert.ok(answers(asker, second));
    assert.equal((await world.describe(instance)).NetworkInterfaces?.[0]?.PrivateIpAddresses?.length, 2);
    const { AllocationId, PublicIp } = await call('AllocateAddress');
    await call('AssociateAddress', { AllocationId, NetworkInterfaceId, PrivateIpAddress: second });
    await world.idle();
    assert.ok(network.reaches({ from: 'outside', to: PublicIp, protocol: 6, port: 80 }));

    await call('UnassignPrivateIpAddresses', { NetworkInterfaceId, PrivateIpAddresses: [second] });
    await world.idle();
    assert.equal(answers(asker, second), false);
    assert.equal(network.reaches({ from: 'outside', to: PublicIp, protocol: 6, port: 80 }), false);
    const { Addresses } = await call('DescribeAddresses', { AllocationIds: [AllocationId] });
    assert.equal(Addresses[0].AssociationId, undefined);
  });

  it('move to another interface, with their Elastic IP, when that is allowed', async () => {
    const one = await create({
      PrivateIpAddresses: [
        { PrivateIpAddress: '172.31.0.50', Primary: true },
        { PrivateIpAddress: '172.31.0.51' },
      ],
    });
    const two = await create({ SecondaryPrivateIpAddressCount: 2 });
    assert.deepEqual(await addressesOf(one.NetworkInterfaceId), ['172.31.0.50', '172.31.0.51']);
    assert.equal((await addressesOf(two.NetworkInterfaceId)).length, 3);
    const { AllocationId } = await call('AllocateAddress');
    const PrivateIpAddress = '172.31.0.51';
    await call('AssociateAddress', {
      AllocationId,
      NetworkInterfaceId: one.NetworkInterfaceId,
      PrivateIpAddress,
    });
    const move = { NetworkInterfaceId: two.NetworkInterfaceId, PrivateIpAddresses: [PrivateIpAddress] };
    assert.equal(await refused('AssignPrivateIpAddresses', move), 'InvalidParameterValue');
    await call('AssignPrivateIpAddresses', { ...move, AllowReassignment: true });
    assert.deepEqual(await addressesOf(one.NetworkInterfaceId), ['172.31.0.50']);
    assert.equal((await addressesOf(two.NetworkInterfaceId)).at(-1), PrivateIpAddress);
    const { Addresses } = await call('DescribeAddresses', { AllocationIds: [AllocationId] });
    assert.equal(Addresses[0].NetworkInterfaceId, two.NetworkInterfaceId);
    const primary = { ...move, PrivateIpAddresses: ['172.31.0.50'], AllowReassignment: true };
    assert.equal(await refused('AssignPrivateIpAddresses', primary), 'InvalidParameterValue');
  });

  it('are refused where they cannot be', async () => {
    const { NetworkInterfaceId, PrivateIpAddress } = await create();
    const assign = (more: object) => refused('AssignPrivateIpAddresses', { NetworkInterfaceId, ...more });
    assert.equal(await assign({}), 'InvalidParameterCombination');
    assert.equal(await assign({ PrivateIpAddresses: ['10.9.9.9'] }), 'InvalidParameterValue');
    assert.equal(await assign({ PrivateIpAddresses: ['172.31.0.1'] }), 'InvalidParameterValue');
    assert.equal(await assign({ SecondaryPrivateIpAddressCount: 0 }), 'InvalidParameterValue');
    const unassign = (address?: string) =>
      refused('UnassignPrivateIpAddresses', {
        NetworkInterfaceId,
        ...(address && { PrivateIpAddresses: [address] }),
      });
    assert.equal(await unassign(PrivateIpAddress), 'InvalidParameterValue');
    assert.equal(await unassign('172.31.0.99'), 'InvalidParameterValue');
    assert.equal(await unassign(), 'MissingParameter');
    const both = { SubnetId, PrivateIpAddresses: [{ PrivateIpAddress: '172.31.0.60' }] };
    assert.equal(
      await refused('CreateNetworkInterface', { ...both, SecondaryPrivateIpAddressCount: 1 }),
      'InvalidParameterCombination',
    );
  });
});

describe('a launch with several interfaces', () => {
  it('makes each as it is asked for', async () => {
    const there = await create();
    const image = await world.imageId();
    const { Instances } = await call('RunInstances', {
      ImageId: image,
      InstanceType: 't3.small',
      MinCount: 1,
      MaxCount: 1,
      NetworkInterfaces: [
        { DeviceIndex: 1, NetworkInterfaceId: there.NetworkInterfaceId },
        {
          DeviceIndex: 0,
          SubnetId,
          Groups: [web],
          PrivateIpAddress: '172.31.0.70',
          SecondaryPrivateIpAddressCount: 1,
        },
        { DeviceIndex: 2, SubnetId, Groups: [web], DeleteOnTermination: false, Description: 'third' },
      ],
    });
    await world.idle();
    const instance = await world.describe(Instances[0].InstanceId);
    assert.equal(instance.State?.Name, 'running');
    assert.equal(instance.PrivateIpAddress, '172.31.0.70');
    assert.equal(instance.PublicIpAddress, undefined, 'several interfaces, no public address');
    const shownAs = instance.NetworkInterfaces?.map((one) => [
      one.Attachment?.DeviceIndex,
      one.Attachment?.DeleteOnTermination,
      one.PrivateIpAddresses?.length,
    ]);
    assert.deepEqual(shownAs, [
      [0, true, 2],
      [1, false, 1],
      [2, false, 1],
    ]);
  });

  it('is refused when its interfaces do not go together', async () => {
    const run = async (...NetworkInterfaces: object[]): Promise<string> =>
      refused('RunInstances', {
        ImageId: await world.imageId(),
        InstanceType: 't3.micro',
        MinCount: 1,
        MaxCount: 1,
        NetworkInterfaces,
      });
    const there = await create();
    const { NetworkInterfaceId } = there;
    assert.equal(await run({ DeviceIndex: 1, SubnetId }), 'InvalidParameterValue');
    assert.equal(
      await run({ DeviceIndex: 0, SubnetId }, { DeviceIndex: 0, SubnetId }),
      'InvalidParameterValue',
    );
    assert.equal(
      await run({ DeviceIndex: 0, SubnetId, AssociatePublicIpAddress: true }, { DeviceIndex: 1, SubnetId }),
      'InvalidParameterCombination',
    );
    assert.equal(await run({ DeviceIndex: 0, SubnetId, NetworkInterfaceId }), 'InvalidParameterCombination');
    const three = [0, 1, 2].map((DeviceIndex) => ({ DeviceIndex, SubnetId }));
    assert.equal(await run(...three), 'AttachmentLimitExceeded');
    const { Subnets } = await call('DescribeSubnets', {
      Filters: [{ Name: 'availability-zone', Values: ['*b'] }],
    });
    assert.equal(
      await run({ DeviceIndex: 0, SubnetId }, { DeviceIndex: 1, SubnetId: Subnets[0].SubnetId }),
      'InvalidParameterCombination',
    );
    await launch({
      SubnetId: undefined,
      SecurityGroupIds: undefined,
      NetworkInterfaces: [{ DeviceIndex: 0, NetworkInterfaceId }],
    });
    assert.equal(await run({ DeviceIndex: 0, NetworkInterfaceId }), 'InvalidNetworkInterface.InUse');
  });
});

it('the source/destination check is reset to on', async () => {
  const { NetworkInterfaceId } = await create();
  await call('ModifyNetworkInterfaceAttribute', { NetworkInterfaceId, SourceDestCheck: { Value: false } });
  assert.equal((await shown(NetworkInterfaceId)).SourceDestCheck, false);
  await call('ResetNetworkInterfaceAttribute', { NetworkInterfaceId, SourceDestCheck: 'true' });
  assert.equal((await shown(NetworkInterfaceId)).SourceDestCheck, true);
});

it('no loop failed, and no operation is without a story', async () => {
  await world.stop();
  const operations = Object.keys({ ...interfaceAttachmentOperations, ...interfaceAddressOperations });
  assert.deepEqual(
    [...operations, 'ResetNetworkInterfaceAttribute'].filter((operation) => !called.has(operation)),
    [],
  );
});
