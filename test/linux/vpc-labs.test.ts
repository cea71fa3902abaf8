/** The labs about networks as a person types them, in one region. What is seen is held by each script. */
import { after, before, describe, test } from 'node:test';
import { leftInNetworks, playLab, withoutLabs } from '../support/labs.ts';
import { startRegion, type TestRegion } from '../support/region.ts';

const skip = await withoutLabs();

const timeoutMs = 300_000;

describe('labs about networks', { skip, timeout: 3 * timeoutMs }, () => {
  let region: TestRegion;
  before(async () => {
    region = await startRegion({
      prefix: 'hfvl',
      publicCidr: '198.19.200.0/21',
      awsRegion: 'us-west-2',
      driver: 'linux',
    });
  });
  after(() => region?.down());

  const labs = {
    'B1: private subnets behind a NAT gateway': 'b1-private-subnets.sh',
    'C1: layers, each enforced': 'c1-layers.sh',
    'C9: a NAT gateway in each zone, and a zone lost': 'c9-second-nat-gateway.sh',
  };
  for (const [title, script] of Object.entries(labs)) {
    test(title, (context) =>
      playLab(context, region, script, { timeoutMs, left: () => leftInNetworks(region) }),
    );
  }
});
