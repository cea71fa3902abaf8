/** What every edge driver must do, whoever is behind it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { EdgeDriver, PublishedRecord } from '../../src/drivers/edge.ts';

export interface EdgeUnderTest {
  readonly driver: EdgeDriver;
  /** Gives up the driver and opens another one on what is left, as after a restart of the region. */
  reopen?(): Promise<EdgeDriver>;
  close(): Promise<void>;
}

const name = (label: string, ...addresses: string[]): PublishedRecord => ({
  kind: 'name',
  name: `${label}.us-west-2.elb.localhost`,
  addresses,
  ttlSeconds: 60,
});
const vpc = (vpcId: string): PublishedRecord => ({
  kind: 'vpc',
  vpcId,
  resolver: '10.0.0.2',
  dnsSupport: true,
});

/** Runs the suite against drivers that `make` gives, each with nothing published. */
export function edgeContract(title: string, make: () => Promise<EdgeUnderTest>): void {
  const withDriver = (story: (edge: EdgeUnderTest) => Promise<void>) => async () => {
    const edge = await make();
    try {
      await story(edge);
    } finally {
      await edge.close();
    }
  };
  const sortedKeys = async (driver: EdgeDriver) => (await driver.list()).sort();

  describe(`edge driver: ${title}`, () => {
    test(
      'nothing is published at first',
      withDriver(async ({ driver }) => {
        assert.deepEqual(await driver.list(), []);
      }),
    );

    test(
      'what is put is listed until it is removed',
      withDriver(async ({ driver }) => {
        const put = new Map([
          ['lb/one', name('one', '198.18.0.1')],
          ['vpc/vpc-1', vpc('vpc-1')],
        ]);
        await driver.publish({ put, removed: [] });
        assert.deepEqual(await sortedKeys(driver), ['lb/one', 'vpc/vpc-1']);
        await driver.publish({ put: new Map(), removed: ['lb/one'] });
        assert.deepEqual(await sortedKeys(driver), ['vpc/vpc-1']);
      }),
    );

    test(
      'a repeated publish changes nothing, and one of nothing is allowed',
      withDriver(async ({ driver }) => {
        const changes = { put: new Map([['lb/one', name('one', '198.18.0.1')]]), removed: ['lb/none'] };
        await driver.publish(changes);
        await driver.publish(changes);
        await driver.publish({ put: new Map(), removed: [] });
        assert.deepEqual(await sortedKeys(driver), ['lb/one']);
      }),
    );

    test(
      'a key that is removed and put in one step is put',
      withDriver(async ({ driver }) => {
        await driver.publish({ put: new Map([['lb/one', name('one', '198.18.0.1')]]), removed: [] });
        await driver.publish({ put: new Map([['lb/one', name('one', '198.18.0.2')]]), removed: ['lb/one'] });
        assert.deepEqual(await sortedKeys(driver), ['lb/one']);
      }),
    );

    test(
      'a removed key can be put again',
      withDriver(async ({ driver }) => {
        const put = new Map([['lb/one', name('one', '198.18.0.1')]]);
        await driver.publish({ put, removed: [] });
        await driver.publish({ put: new Map(), removed: ['lb/one'] });
        assert.deepEqual(await driver.list(), []);
        await driver.publish({ put, removed: [] });
        assert.deepEqual(await sortedKeys(driver), ['lb/one']);
      }),
    );

    test(
      'publishes that are under way together all take effect',
      withDriver(async ({ driver }) => {
        const labels = Array.from({ length: 20 }, (_, index) => `lb-${String(index).padStart(2, '0')}`);
        await Promise.all(
          labels.map((label) =>
            driver.publish({ put: new Map([[label, name(label, '198.18.0.1')]]), removed: [] }),
          ),
        );
        assert.deepEqual(await sortedKeys(driver), labels);
      }),
    );

    test('what is published outlives the driver', async (context) => {
      const edge = await make();
      try {
        if (!edge.reopen) return context.skip('this driver keeps nothing');
        await edge.driver.publish({ put: new Map([['lb/one', name('one', '198.18.0.1')]]), removed: [] });
        assert.deepEqual(await (await edge.reopen()).list(), ['lb/one']);
      } finally {
        await edge.close();
      }
    });
  });
}
