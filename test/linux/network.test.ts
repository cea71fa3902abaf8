/** The network driver's contract, with real packets. */
import { describe, test } from 'node:test';
import { hostLayout } from '@holdfast/linux/layout.ts';
import { missingForNetwork } from '@holdfast/linux/network/doctor.ts';
import { openNetwork } from '../../packages/linux/test/network-harness.ts';
import { networkContract } from '../../packages/region/test/contracts/network.ts';

const layout = hostLayout({ prefix: 'hfn', publicCidr: '198.19.0.0/20' });
const missing = missingForNetwork()
  .map(({ what }) => what)
  .join(', ');

if (missing === '') networkContract('linux', () => openNetwork(layout));
else
  describe('network driver: linux', () =>
    void test('contract', { skip: `missing: ${missing}` }, () => undefined));
