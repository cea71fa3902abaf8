/**
 * The labs about a single server and where it runs, as a person types them, in one region. Its clock runs ten times as
 * fast: what AWS checks once a minute is checked every six seconds.
 */
import { after, before, describe, test } from 'node:test';
import { leftInNetworks, playLab, withoutLabs } from '../support/labs.ts';
import { startRegion, type TestRegion } from '../support/region.ts';

const skip = await withoutLabs();

const timeoutMs = 480_000;

describe('labs about servers', { skip, timeout: 3 * timeoutMs }, () => {
  let region: TestRegion;
  before(async () => {
    region = await startRegion({
      prefix: 'hfsl',
      publicCidr: '198.19.244.0/22',
      awsRegion: 'us-east-1',
      driver: 'linux',
      upArguments: ['--speed', '10'],
    });
  });
  after(() => region?.down());

  const labs = {
    'B2: a LAMP server with SSH from one address only': 'b2-lamp-server.sh',
    'E1: a failed host, and the same instance on another one': 'e1-recovery.sh',
    'EBS volumes: moved, snapshot, grown': 'ebs.sh',
    'E7: regions and zones': 'e7-regions-and-zones.sh',
  };
  for (const [title, script] of Object.entries(labs)) {
    test(title, (context) =>
      playLab(context, region, script, { timeoutMs, left: () => leftInNetworks(region) }),
    );
  }
});
