/** What the edge lacks on this machine, in words. */
import type { Missing } from '../host/missing.ts';
/** Empty when the edge can do all it is for. */
export function missingForEdge(): Missing[] {
  if (process.getuid?.() === 0) return [];
  return [
    {
      what: 'root',
      why: 'DNS and instance metadata are served inside the VPCs’ network namespaces',
      howToGet: 'run as root, or with sudo',
    },
  ];
}
