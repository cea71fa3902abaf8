/** Simplified automatic recovery: instances of failed hosts come back without anybody asking, when AWS would do so. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { instances } from '../src/services/ec2/records.ts';
import { code, faultWorld, ZONE } from './ec2-fault-world.ts';
import { minutes, REGION } from './ec2-world.ts';

/** A minute until the check fails, five more until recovery begins. */
const UNTIL_RECOVERED = minutes(7);

describe('an instance whose host failed', () => {
  it('is recovered by itself after its system check has failed for five minutes', async () => {
    const {
      inject,
      hostOf,
      inZone,
      describe: described,
      call,
      words,
      advance,
      drivers,
      errors,
    } = await faultWorld();
    const id = await inZone();
    const { AllocationId, PublicIp } = await call('AllocateAddress', {});
    await call('AssociateAddress', { AllocationId, InstanceId: id });
    const [before, failed] = [await described(id), hostOf(id)];
    await inject('host', failed);
    await advance(minutes(1));
    assert.equal(await words(id), 'impaired impaired');
    await advance(minutes(4));
    assert.equal(hostOf(id), failed, 'an alarm with a recover action would have been faster');
    await advance(minutes(2));
    assert.notEqual(hostOf(id), failed);
    assert(hostOf(id).startsWith(ZONE));
    assert.equal((await drivers.compute.status(id))?.boot, 2);
    assert.equal(await words(id), 'ok ok');
    const after = await described(id);
    assert.equal(after.PrivateIpAddress, before.PrivateIpAddress);
    assert.equal(after.PublicIpAddress, PublicIp);
    assert.deepEqual(after.LaunchTime, before.LaunchTime);
    await advance(minutes(30));
    assert.equal((await drivers.compute.status(id))?.boot, 2, 'once is enough');
    assert.deepEqual(errors, []);
  });

  it('stays when its host is well again before that', async () => {
    const { inject, clear, hostOf, inZone, advance, drivers } = await faultWorld();
    const id = await inZone();
    const failed = hostOf(id);
    const fault = await inject('host', failed);
    await advance(minutes(4));
    await clear(fault);
    await advance(minutes(10));
    assert.equal(hostOf(id), failed);
    assert.equal((await drivers.compute.status(id))?.boot, 1);
  });

  it('stays when its maintenance options say so, until they say otherwise', async () => {
    const { inject, hostOf, inZone, call, describe: described, advance } = await faultWorld();
    const id = await inZone(ZONE, { MaintenanceOptions: { AutoRecovery: 'disabled' } });
    assert.equal((await described(id)).MaintenanceOptions?.AutoRecovery, 'disabled');
    const failed = hostOf(id);
    await inject('host', failed);
    await advance(minutes(30));
    assert.equal(hostOf(id), failed);
    assert.deepEqual(
      await call('ModifyInstanceMaintenanceOptions', { InstanceId: id, AutoRecovery: 'default' }),
      { InstanceId: id, AutoRecovery: 'default', RebootMigration: 'default' },
    );
    await advance(minutes(1));
    assert.notEqual(hostOf(id), failed);
    await assert.rejects(call('ModifyInstanceMaintenanceOptions', { InstanceId: id }), {
      code: 'MissingParameter',
    });
    await assert.rejects(
      call('ModifyInstanceMaintenanceOptions', { InstanceId: id, RebootMigration: 'disabled' }),
      code('UnsupportedOperation', /RebootMigration/),
    );
  });

  it('waits for a host of its zone that is well, and then comes back at once', async () => {
    const { inject, clear, hostOf, inZone, advance, drivers } = await faultWorld();
    const id = await inZone();
    const own = hostOf(id);
    const spare = own.endsWith('1') ? `${ZONE}-h2` : `${ZONE}-h1`;
    const lost = await inject('host', spare);
    await inject('host', own);
    await advance(UNTIL_RECOVERED);
    assert.equal(hostOf(id), own);
    await clear(lost);
    assert.equal(hostOf(id), spare);
    assert.equal(await drivers.compute.responds(id), true);
  });

  it('comes back three times within 24 hours and again when the first of them is a day old', async () => {
    const { inject, clear, hostOf, inZone, advance } = await faultWorld();
    const id = await inZone();
    const failOnce = async (): Promise<boolean> => {
      const failed = hostOf(id);
      const fault = await inject('host', failed);
      await advance(UNTIL_RECOVERED);
      const moved = hostOf(id) !== failed;
      if (moved) await clear(fault);
      return moved;
    };
    for (let time = 0; time < 3; time += 1) assert.equal(await failOnce(), true);
    assert.equal(await failOnce(), false);
    const failed = hostOf(id);
    await advance(minutes(23 * 60 + 30));
    assert.equal(hostOf(id), failed);
    await advance(minutes(20));
    assert.notEqual(hostOf(id), failed);
  });

  it('is left to its Auto Scaling group, or alone when it has disks of its host', async () => {
    const { inject, hostOf, inZone, advance, region } = await faultWorld();
    const member = await inZone();
    region.store.transaction((tx) => {
      const found = tx.get(instances, REGION, member);
      if (found) tx.update(found, { tags: { ...found.tags, 'aws:autoscaling:groupName': 'web' } });
    });
    const withDisks = await inZone(ZONE, { InstanceType: 'm5d.large' });
    const before = [hostOf(member), hostOf(withDisks)];
    await inject('host', before[0] ?? '');
    await advance(minutes(30));
    assert.equal(hostOf(member), before[0]);
    await inject('host', before[1] ?? '');
    await advance(minutes(30));
    assert.equal(hostOf(withDisks), before[1]);
  });

  it('is left alone while its whole zone is in trouble', async () => {
    const { inject, clear, hostOf, inZone, advance, words } = await faultWorld();
    const id = await inZone();
    const failed = hostOf(id);
    const zone = await inject('zone', ZONE);
    await inject('host', failed);
    await advance(minutes(30));
    assert.equal(await words(id), 'impaired impaired');
    assert.equal(hostOf(id), failed);
    await clear(zone);
    await advance(minutes(1));
    assert.notEqual(hostOf(id), failed);
  });
});
