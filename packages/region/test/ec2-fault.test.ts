/** What breaks on purpose, what is seen of it, and how instances come back from it. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { virtualClock } from '../src/clock.ts';
import { simDrivers } from '../src/drivers/sim/index.ts';
import { recoverInstance } from '../src/services/ec2/compute.ts';
import { clearFault, clearFaults } from '../src/services/ec2/fault/index.ts';
import { instances } from '../src/services/ec2/records.ts';
import { code, faultWorld, ZONE } from './ec2-fault-world.ts';
import { minutes, REGION } from './ec2-world.ts';

describe('a failed host', () => {
  it('neither computes nor answers, and its instances go on when it is well again', async () => {
    const { inject, clear, hostOf, words, checks, inZone, isCut, drivers, advance, describe, state, errors } =
      await faultWorld();
    const [id, other] = [await inZone(), await inZone()];
    assert.notEqual(hostOf(id), hostOf(other));
    const fault = await inject('host', hostOf(id));
    assert.equal(await drivers.compute.responds(id), false);
    assert.equal(isCut(id), true);
    assert.equal(await drivers.compute.responds(other), true);
    assert.equal(isCut(other), false);
    assert.equal(await words(id), 'ok ok', 'AWS looks once a minute');
    await advance(minutes(1));
    assert.equal(await words(id), 'impaired impaired');
    const { system, events } = await checks(id);
    assert.equal(system.Details[0].Name, 'reachability');
    assert.equal(system.Details[0].Status, 'failed');
    const since = system.Details[0].ImpairedSince.getTime();
    await advance(minutes(2));
    assert.equal((await checks(id)).system.Details[0].ImpairedSince.getTime(), since);
    assert.deepEqual(events, [], 'nothing is scheduled');
    assert.equal(await words(other), 'ok ok');
    assert.equal(await state(id), 'running');
    const boot = (await drivers.compute.status(id))?.boot;
    await clear(fault);
    assert.equal(await drivers.compute.responds(id), true);
    assert.equal(isCut(id), false);
    assert.equal((await drivers.compute.status(id))?.boot, boot, 'the same boot goes on');
    await advance(minutes(1));
    assert.equal(await words(id), 'ok ok');
    assert.ok((await describe(id)).PublicIpAddress);
    assert.deepEqual(errors, []);
  });

  it('gets no new instances, and starts none that are rebooted there', async () => {
    const { inject, clear, hostOf, inZone, call, idle, drivers } = await faultWorld();
    const id = await inZone();
    const fault = await inject('host', hostOf(id));
    for (let at = 0; at < 3; at += 1) assert.notEqual(hostOf(await inZone()), hostOf(id));
    await call('RebootInstances', { InstanceIds: [id] });
    await idle();
    assert.equal((await drivers.compute.status(id))?.boot, 1);
    assert.equal(await drivers.compute.responds(id), false);
    await clear(fault);
    assert.equal((await drivers.compute.status(id))?.boot, 2);
    assert.equal(await drivers.compute.responds(id), true);
  });

  it('lets its instances be stopped and started elsewhere', async () => {
    const { inject, hostOf, inZone, call, idle, state, drivers } = await faultWorld();
    const id = await inZone();
    await inject('host', hostOf(id));
    const failed = hostOf(id);
    await call('StopInstances', { InstanceIds: [id] });
    await idle();
    assert.equal(await state(id), 'stopped');
    await call('StartInstances', { InstanceIds: [id] });
    await idle();
    assert.equal(await state(id), 'running');
    assert.notEqual(hostOf(id), failed);
    assert.equal(await drivers.compute.responds(id), true);
  });
});

describe('an instance that is broken on purpose', () => {
  it('hangs until it is let go', async () => {
    const { inject, clear, inZone, words, advance, drivers, present } = await faultWorld();
    const id = await inZone();
    const fault = await inject('instance', id, 'hung');
    assert.equal(await drivers.compute.responds(id), false);
    await advance(minutes(1));
    assert.equal(await words(id), 'ok impaired');
    assert.deepEqual(present(), ['instance hung']);
    await clear(fault);
    await advance(minutes(1));
    assert.equal(await words(id), 'ok ok');
  });

  it('hangs until it is rebooted, by force', async () => {
    const { inject, inZone, call, idle, drivers, present } = await faultWorld();
    const id = await inZone();
    await inject('instance', id, 'hung');
    await call('RebootInstances', { InstanceIds: [id] });
    await idle();
    assert.equal(await drivers.compute.responds(id), true);
    assert.equal(drivers.compute.spec(id)?.shutdownTimeoutMs, 0, 'its guest cannot shut down');
    assert.deepEqual(present(), [], 'the fault was of the boot before');
  });

  it('dies, and can be started again', async () => {
    const { inject, inZone, state, describe, call, idle, present } = await faultWorld();
    const id = await inZone();
    await inject('instance', id);
    assert.equal(await state(id), 'stopped');
    assert.equal((await describe(id)).StateReason?.Code, 'Server.InternalError');
    assert.deepEqual(present(), []);
    await call('StartInstances', { InstanceIds: [id] });
    await idle();
    assert.equal(await state(id), 'running');
  });

  it('is cut off, also after a reboot, until that is cleared', async () => {
    const { inject, clear, inZone, isCut, words, call, idle, advance } = await faultWorld();
    const id = await inZone();
    const fault = await inject('instance', id, 'cut');
    assert.equal(isCut(id), true);
    await advance(minutes(1));
    assert.equal(await words(id), 'ok impaired');
    await call('RebootInstances', { InstanceIds: [id] });
    await idle();
    assert.equal(isCut(id), true);
    await clear(fault);
    assert.equal(isCut(id), false);
  });
});

describe('a fault', () => {
  it('is there once, and stays over a restart of control', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-fault-'));
    try {
      const clock = virtualClock();
      const options = { clock, drivers: simDrivers(clock), storeFile: join(folder, 'store.db') };
      const first = await faultWorld(options);
      const id = await first.inZone();
      const fault = await first.inject('host', first.hostOf(id));
      assert.equal((await first.inject('host', first.hostOf(id))).id, fault.id);
      await first.region.stop();
      // What happens to the machine meanwhile is put right.
      await options.drivers.compute.freeze(id, false);
      const second = await faultWorld(options);
      await second.idle();
      assert.deepEqual(second.present(), ['host dead']);
      assert.equal(await options.drivers.compute.responds(id), false);
      second.region.transact(REGION, (scope) => clearFaults(scope));
      await second.idle();
      assert.deepEqual(second.present(), []);
      assert.equal(await options.drivers.compute.responds(id), true);
      await second.region.stop();
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('is of something that is there, and of a kind that it can have', async () => {
    const { inject, inZone, call, idle, region } = await faultWorld();
    await assert.rejects(inject('host', 'us-west-2a-h9'), code('InvalidParameterValue', /us-west-2a-h1/));
    await assert.rejects(inject('zone', 'eu-west-1a'), code('InvalidParameterValue', /us-west-2a/));
    await assert.rejects(
      inject('zone', ZONE, 'hung'),
      code('InvalidParameterValue', /zone is cut, not hung/),
    );
    await assert.rejects(inject('nat-gateway', 'nat-1'), code('NatGatewayNotFound'));
    await assert.rejects(inject('instance', 'i-0123456789abcdef0'), code('InvalidInstanceID.NotFound'));
    const id = await inZone();
    await call('StopInstances', { InstanceIds: [id] });
    await idle();
    await assert.rejects(inject('instance', id, 'hung'), code('IncorrectInstanceState', /is stopped/));
    assert.throws(
      () => region.transact(REGION, (scope) => clearFault(scope, 'fault-1')),
      code('InvalidFaultID.NotFound'),
    );
  });

  it('goes with the instance it is of', async () => {
    const { inject, inZone, call, idle, present } = await faultWorld();
    const id = await inZone();
    await inject('instance', id, 'cut');
    await call('TerminateInstances', { InstanceIds: [id] });
    await idle();
    assert.deepEqual(present(), []);
  });
});

describe('a recovery', () => {
  it('brings an instance back elsewhere in its zone, as what it was', async () => {
    const { inject, recover, hostOf, inZone, describe, drivers, isCut, advance, words, call, errors } =
      await faultWorld();
    const id = await inZone();
    const [before, failed] = [await describe(id), hostOf(id)];
    await inject('host', failed);
    await advance(minutes(1));
    const recovery = await recover(id);
    assert.equal(recovery.outcome, 'recovered');
    assert.match(hostOf(id), /^us-west-2a-h\d$/);
    assert.notEqual(hostOf(id), failed);
    const machine = await drivers.compute.status(id);
    assert.equal(machine?.boot, 2, 'memory is gone');
    assert.equal(drivers.compute.spec(id)?.shutdownTimeoutMs, 0, 'nothing shuts down on a failed host');
    assert.equal(await drivers.compute.responds(id), true);
    assert.equal(isCut(id), false);
    const after = await describe(id);
    for (const same of ['PrivateIpAddress', 'PublicIpAddress', 'LaunchTime', 'SubnetId', 'State'] as const) {
      assert.deepEqual(after[same], before[same]);
    }
    assert.equal(
      after.BlockDeviceMappings?.[0]?.Ebs?.VolumeId,
      before.BlockDeviceMappings?.[0]?.Ebs?.VolumeId,
    );
    await advance(minutes(1));
    assert.equal(await words(id), 'ok ok');
    const { Volumes } = await call('DescribeVolumes');
    assert.equal(Volumes.length, 1);
    assert.deepEqual(errors, []);
  });

  it('waits for a host that is well when there is none', async () => {
    const { inject, clear, recover, hostOf, inZone, drivers, idle } = await faultWorld();
    const id = await inZone();
    const own = hostOf(id);
    const spare = own.endsWith('1') ? 'us-west-2a-h2' : 'us-west-2a-h1';
    const lost = await inject('host', spare);
    await inject('host', own);
    const recovery = await recover(id);
    assert.equal(recovery.outcome, 'waiting');
    assert.equal(recovery.outcome === 'waiting' && recovery.error.code, 'InsufficientInstanceCapacity');
    assert.equal(hostOf(id), own);
    await clear(lost);
    await idle();
    assert.equal(hostOf(id), spare);
    assert.equal(await drivers.compute.responds(id), true);
  });

  it('that waits is forgotten when its own host is well again', async () => {
    const { inject, clear, recover, hostOf, inZone, drivers, region } = await faultWorld();
    const id = await inZone();
    const own = hostOf(id);
    await inject('host', own.endsWith('1') ? 'us-west-2a-h2' : 'us-west-2a-h1');
    const fault = await inject('host', own);
    await recover(id);
    await clear(fault);
    assert.equal(hostOf(id), own);
    assert.equal((await drivers.compute.status(id))?.boot, 1);
    assert.equal(region.store.get(instances, REGION, id)?.spec.recoveryAskedAt, undefined);
  });

  it('is not needed while all is well', async () => {
    const { recover, inZone, drivers } = await faultWorld();
    const id = await inZone();
    assert.deepEqual(await recover(id), { outcome: 'not-needed' });
    assert.equal((await drivers.compute.status(id))?.boot, 1);
  });

  it('comes three times a day at most', async () => {
    const { inject, clear, recover, hostOf, inZone, advance } = await faultWorld();
    const id = await inZone();
    const once = async (): Promise<string> => {
      const fault = await inject('host', hostOf(id));
      try {
        return (await recover(id)).outcome;
      } finally {
        await clear(fault);
      }
    };
    for (let at = 0; at < 3; at += 1) assert.equal(await once(), 'recovered');
    await assert.rejects(once(), code('OperationNotPermitted', /3 times within 24 hours/));
    await advance(minutes(24 * 60));
    assert.equal(await once(), 'recovered');
  });

  it('is refused for what does not run, and for members of Auto Scaling groups', async () => {
    const { recover, inZone, call, idle, region } = await faultWorld();
    const id = await inZone();
    await call('StopInstances', { InstanceIds: [id] });
    await idle();
    await assert.rejects(recover(id), code('IncorrectInstanceState', /is stopped/));
    await call('TerminateInstances', { InstanceIds: [id] });
    await idle();
    await assert.rejects(recover(id), code('IncorrectInstanceState', /is terminated/));
    const member = await inZone();
    region.store.transaction((tx) => {
      const found = tx.get(instances, REGION, member);
      if (found) tx.update(found, { tags: { ...found.tags, 'aws:autoscaling:groupName': 'web' } });
    });
    await assert.rejects(recover(member), code('OperationNotPermitted', /group 'web'/));
  });

  it('is refused for types whose disks are their host’s', async () => {
    const { recover, inZone, region } = await faultWorld();
    const types = {
      'm5d.large': false,
      'i3.large': false,
      'c5.metal': false,
      'x2iedn.xlarge': true,
      'r5.large': true,
      't3a.nano': true,
    };
    const id = await inZone();
    for (const [type, recoverable] of Object.entries(types)) {
      region.store.transaction((tx) => {
        const found = tx.get(instances, REGION, id);
        if (found) tx.update(found, { spec: { ...found.spec, instanceType: type } });
      });
      if (recoverable) assert.equal((await recover(id)).outcome, 'not-needed', type);
      else {
        assert.throws(
          () => region.transact(REGION, (scope) => recoverInstance(scope, id)),
          code('OperationNotPermitted', new RegExp(type)),
        );
      }
    }
  });
});
