/** Takes away everything that a region's networks have made on this machine. */
import { rmdirSync, rmSync } from 'node:fs';
import { deleteVeths } from '../host/links.ts';
import { listNamespaces, namespaceExists, removeNamespace } from '../host/namespaces.ts';
import { withNetlink } from '../host/netlink.ts';
import { restoreSysctls } from '../host/sysctl.ts';
import type { HostLayout } from '../layout.ts';
import { removeInternet } from './internet.ts';
import { networkFolder } from './state.ts';

/**
 * Removes all namespaces, links, routes and tables that begin with the layout's prefix, and gives back the kernel
 * settings. It needs no record of them, so that it also cleans up after a crash. Nothing there is success.
 */
export function removeAll(layout: HostLayout): void {
  removeInternet(layout);
  const router = `${layout.prefix}-vpc-`;
  const names = listNamespaces(`${layout.prefix}-`);
  // Routers first: their links take the far ends along, all at once.
  names.sort((a, b) => Number(b.startsWith(router)) - Number(a.startsWith(router)));
  for (const name of names) {
    // Links before names: a process that still runs in a namespace would keep them.
    if (namespaceExists(name)) withNetlink(name, deleteVeths);
    removeNamespace(name);
  }
  restoreSysctls(layout);
  rmSync(networkFolder(layout), { recursive: true, force: true });
  try {
    rmdirSync(layout.runDirectory);
  } catch (error) {
    // Others keep their things there too; whoever goes last takes it along.
    if (!['ENOTEMPTY', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}
