/** Elastic IPs: given, moved, kept over a stop, taken back. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { elasticIpOperations } from '../src/services/ec2/network/elastic-ip.ts';
import { called, networkWorld, REGION } from './ec2-network-world.ts';

const world = await networkWorld();
const { call, refused, describe: shown } = world;
const { network } = world.drivers;
const vpcId: string = (await call('DescribeVpcs')).Vpcs[0].VpcId;
const web: string = (await call('CreateSecurityGroup', { GroupName: 'web', Description: 'web' })).GroupId;
await call('AuthorizeSecurityGroupIngress', {
  GroupId: web,
  IpPermissions: [{ IpProtocol: 'tcp', FromPort: 80, ToPort: 80, IpRanges: [{ CidrIp: '0.0.0.0/0' }] }],
});

const allocate = async (): Promise<{ AllocationId: string; PublicIp: string }> => call('AllocateAddress');
const address = async (AllocationId: string) =>
  (await call('DescribeAddresses', { AllocationIds: [AllocationId] })).Addresses[0];
const answers = (to: string): boolean => network.reaches({ from: 'outside', to, protocol: 6, port: 80 });
const launch = (): Promise<string> => world.launchOne({ SecurityGroupIds: [web] });
const metadataOf = (id: string) => {
  const found = [...world.drivers.edge.records.values()].find(
    (record) => record.kind === 'metadata' && record.metadata.instanceId === id,
  );
  return found?.kind === 'metadata' ? found.metadata : undefined;
};

describe('an Elastic IP', () => {
  it('is allocated with tags, found by everything that it is, and released', async () => {
    const TagSpecifications = [{ ResourceType: 'elastic-ip', Tags: [{ Key: 'Name', Value: 'front' }] }];
    const made = await call('AllocateAddress', { Domain: 'vpc', TagSpecifications });
    assert.deepEqual([made.Domain, made.NetworkBorderGroup], ['vpc', REGION]);
    const byTag = await call('DescribeAddresses', { Filters: [{ Name: 'tag:Name', Values: ['front'] }] });
    assert.deepEqual(byTag.Addresses, [
      {
        PublicIp: made.PublicIp,
        AllocationId: made.AllocationId,
        Domain: 'vpc',
        PublicIpv4Pool: 'amazon',
        NetworkBorderGroup: REGION,
        Tags: [{ Key: 'Name', Value: 'front' }],
      },
    ]);
    const { Addresses } = await call('DescribeAddressesAttribute', { AllocationIds: [made.AllocationId] });
    assert.deepEqual(Addresses, [{ AllocationId: made.AllocationId, PublicIp: made.PublicIp }]);
    await call('ReleaseAddress', { AllocationId: made.AllocationId });
    assert.equal(
      await refused('DescribeAddresses', { PublicIps: [made.PublicIp] }),
      'InvalidAddress.NotFound',
    );
    assert.equal(
      await refused('ReleaseAddress', { AllocationId: made.AllocationId }),
      'InvalidAllocationID.NotFound',
    );
  });

  it('takes the place of the auto-assigned address, everywhere at once', async () => {
    const id = await launch();
    const before = (await shown(id)).PublicIpAddress ?? '';
    assert.ok(answers(before));
    const { AllocationId, PublicIp } = await allocate();
    const { AssociationId } = await call('AssociateAddress', { AllocationId, InstanceId: id });
    await world.idle();
    assert.deepEqual([answers(before), answers(PublicIp)], [false, true]);
    const instance = await shown(id);
    assert.equal(instance.PublicIpAddress, PublicIp);
    assert.equal(instance.NetworkInterfaces?.[0]?.Association?.IpOwnerId, '000000000000');
    const found = await address(AllocationId);
    assert.deepEqual(
      [found.InstanceId, found.AssociationId, found.PrivateIpAddress],
      [id, AssociationId, instance.PrivateIpAddress],
    );
    const interfaces = await call('DescribeNetworkInterfaces', {
      Filters: [{ Name: 'association.allocation-id', Values: [AllocationId] }],
    });
    assert.equal(interfaces.NetworkInterfaces[0].Association.AssociationId, AssociationId);
    assert.equal(metadataOf(id)?.publicAddress, PublicIp);
    assert.equal(
      network.publicAddressSeen(instance.NetworkInterfaces?.[0]?.NetworkInterfaceId ?? ''),
      PublicIp,
    );
    assert.equal(await refused('ReleaseAddress', { AllocationId }), 'InvalidIPAddress.InUse');

    await call('DisassociateAddress', { AssociationId });
    await world.idle();
    const after = (await shown(id)).PublicIpAddress ?? '';
    assert.ok(after !== PublicIp && answers(after), 'a new address comes by itself');
    assert.equal(answers(PublicIp), false);
    assert.equal(await refused('DisassociateAddress', { AssociationId }), 'InvalidAssociationID.NotFound');
  });

  it('moves to another instance, unless the caller forbids it', async () => {
    const [first, second] = [await launch(), await launch()];
    const { AllocationId, PublicIp } = await allocate();
    const associated = await call('AssociateAddress', { AllocationId, InstanceId: first });
    const again = await call('AssociateAddress', { PublicIp, InstanceId: first });
    assert.equal(again.AssociationId, associated.AssociationId);
    const forbidding = { AllocationId, InstanceId: second, AllowReassociation: false };
    assert.equal(await refused('AssociateAddress', forbidding), 'Resource.AlreadyAssociated');
    const other = await allocate();
    const over = { AllocationId: other.AllocationId, InstanceId: first, AllowReassociation: false };
    assert.equal(await refused('AssociateAddress', over), 'Resource.AlreadyAssociated');
    await call('AssociateAddress', { AllocationId, InstanceId: second });
    await world.idle();
    assert.equal((await address(AllocationId)).InstanceId, second);
    assert.equal((await shown(second)).PublicIpAddress, PublicIp);
    const back = (await shown(first)).PublicIpAddress ?? '';
    assert.ok(back !== PublicIp && answers(back));
    assert.ok(answers(PublicIp));
  });

  it('stays through stop and start, and outlives its instance', async () => {
    const id = await launch();
    const { AllocationId, PublicIp } = await allocate();
    await call('AssociateAddress', { AllocationId, InstanceId: id });
    await call('StopInstances', { InstanceIds: [id] });
    await world.advance(60_000);
    assert.equal(await world.state(id), 'stopped');
    assert.equal((await shown(id)).PublicIpAddress, PublicIp);
    await call('StartInstances', { InstanceIds: [id] });
    await world.idle();
    assert.equal((await shown(id)).PublicIpAddress, PublicIp);
    assert.ok(answers(PublicIp));
    await call('TerminateInstances', { InstanceIds: [id] });
    await world.advance(10_000);
    const left = await address(AllocationId);
    assert.deepEqual([left.InstanceId, left.AssociationId], [undefined, undefined]);
    await call('ReleaseAddress', { PublicIp });
  });

  it('stands for an interface that is attached to nothing, and goes with it', async () => {
    const { Subnets } = await call('DescribeSubnets');
    const made = await call('CreateNetworkInterface', { SubnetId: Subnets[0].SubnetId });
    const { NetworkInterfaceId, PrivateIpAddress } = made.NetworkInterface;
    const { AllocationId } = await allocate();
    await call('AssociateAddress', { AllocationId, NetworkInterfaceId, PrivateIpAddress });
    assert.equal((await address(AllocationId)).NetworkInterfaceId, NetworkInterfaceId);
    assert.equal(
      await refused('AssociateAddress', { AllocationId, NetworkInterfaceId, PrivateIpAddress: '172.31.0.1' }),
      'InvalidParameterValue',
    );
    const { InternetGateways } = await call('DescribeInternetGateways');
    assert.equal(
      await refused('DetachInternetGateway', {
        InternetGatewayId: InternetGateways[0].InternetGatewayId,
        VpcId: vpcId,
      }),
      'DependencyViolation',
    );
    await call('DeleteNetworkInterface', { NetworkInterfaceId });
    assert.equal((await address(AllocationId)).AssociationId, undefined);
  });

  it('is refused where it cannot be', async () => {
    const { AllocationId, PublicIp } = await allocate();
    const id = await launch();
    const codes = {
      'InvalidAllocationID.NotFound': { AllocationId: 'eipalloc-0', InstanceId: id },
      'InvalidAddress.NotFound': { PublicIp: '198.18.99.99', InstanceId: id },
      'InvalidInstanceID.NotFound': { AllocationId, InstanceId: 'i-00000000000000000' },
      'InvalidInstanceID.Malformed': { AllocationId, InstanceId: 'nothing' },
      'InvalidNetworkInterfaceID.NotFound': { AllocationId, NetworkInterfaceId: 'eni-0' },
      InvalidParameterCombination: { AllocationId, PublicIp, InstanceId: id },
      MissingParameter: { AllocationId },
    };
    for (const [code, input] of Object.entries(codes)) {
      assert.equal(await refused('AssociateAddress', input), code);
    }
    assert.equal(await refused('AssociateAddress', { InstanceId: id }), 'MissingParameter');
    assert.equal(
      await refused('DisassociateAddress', { AssociationId: 'eipassoc-0' }),
      'InvalidAssociationID.NotFound',
    );
    for (const input of [{ Domain: 'standard' }, { PublicIpv4Pool: 'mine' }, { Address: '198.18.0.99' }]) {
      assert.equal(await refused('AllocateAddress', input), 'UnsupportedOperation');
    }
    const { Vpc } = await call('CreateVpc', { CidrBlock: '10.7.0.0/16' });
    const { Subnet } = await call('CreateSubnet', { VpcId: Vpc.VpcId, CidrBlock: '10.7.1.0/24' });
    const { NetworkInterface } = await call('CreateNetworkInterface', { SubnetId: Subnet.SubnetId });
    const { NetworkInterfaceId } = NetworkInterface;
    assert.equal(
      await refused('AssociateAddress', { AllocationId, NetworkInterfaceId }),
      'Gateway.NotAttached',
    );
    const { id: managed } = world.managed((await call('DescribeSubnets')).Subnets[0].SubnetId, 'node-1');
    assert.equal(
      await refused('AssociateAddress', { AllocationId, NetworkInterfaceId: managed }),
      'AuthFailure',
    );
    await call('TerminateInstances', { InstanceIds: [id] });
    assert.equal(await refused('AssociateAddress', { AllocationId, InstanceId: id }), 'InvalidInstanceID');
  });
});

it('no loop failed, and no operation is without a story', async () => {
  await world.stop();
  assert.deepEqual(
    Object.keys(elasticIpOperations).filter((operation) => !called.has(operation)),
    [],
  );
});
