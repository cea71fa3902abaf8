/** Takes away everything that a region's networks have made on this machine. */
import { rmSync } from 'node:fs';
import { deleteLink, listLinks } from '../host/links.ts';
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
  for (const name of listNamespaces(`${layout.prefix}-`)) {
    // Links first: a process that still runs in the namespace would keep them.
    if (namespaceExists(name)) {
      withNetlink(name, (netlink) => {
        for (const link of listLinks(netlink).values())
          if (link.peerIndex !== 0) deleteLink(netlink, link.index);
      });
    }
    removeNamespace(name);
  }
  restoreSysctls(layout);
  rmSync(networkFolder(layout), { recursive: true, force: true });
}
