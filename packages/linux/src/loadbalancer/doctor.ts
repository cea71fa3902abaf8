/** What this machine lacks for load balancers, in words. */

import { spawnSync } from 'node:child_process';
import type { Missing } from '../host/missing.ts';

/** Servers with checks of their own can be added to a running HAProxy since this version. */
const least = { major: 2, minor: 6 } as const;

/** Empty when nothing is missing. */
export function missingForLoadBalancer(): Missing[] {
  const missing: Missing[] = [];
  const haproxy = spawnSync('haproxy', ['-v'], { encoding: 'utf8' });
  const version = /version (\d+)\.(\d+)/.exec(haproxy.stdout ?? '');
  if (haproxy.error || !version) {
    missing.push({
      what: 'haproxy',
      why: 'each load balancer node is one HAProxy',
      howToGet: 'apt-get install haproxy',
    });
  } else if (Number(version[1]) * 1000 + Number(version[2]) < least.major * 1000 + least.minor) {
    missing.push({
      what: `haproxy ${least.major}.${least.minor} or newer`,
      why: `targets are added to a running HAProxy, and ${version[1]}.${version[2]} cannot take them`,
      howToGet: 'use Debian 12 or newer, or a newer haproxy package',
    });
  }
  if (spawnSync('nsenter', ['--version']).error) {
    missing.push({
      what: 'nsenter',
      why: 'each load balancer node stands in a network namespace of its own',
      howToGet: 'apt-get install util-linux',
    });
  }
  if (process.getuid?.() !== 0) {
    missing.push({
      what: 'root',
      why: 'only root may start programs in network namespaces',
      howToGet: 'run as root (sudo)',
    });
  }
  return missing;
}
