/** What this machine lacks for real networks, in words. */

import { existsSync } from 'node:fs';
import { inNewNamespace } from '../host/libc.ts';
import { addVeth } from '../host/links.ts';
import type { Missing } from '../host/missing.ts';
import { openNetlink } from '../host/netlink.ts';
import { loadNftables, runNft } from '../host/nftables.ts';

/** Does `work` go through? It is tried for real: a kernel says what it can do in no better way. */
function works(work: () => void): boolean {
  try {
    work();
    return true;
  } catch {
    return false;
  }
}

/** The kinds of nftables objects that a router needs, in a table that goes with its nameless namespace. */
const SAMPLE = `table inet sample {
  map translation { type ipv4_addr : ipv4_addr; }
  chain source { type nat hook postrouting priority 100; snat ip to ip saddr map @translation; }
  chain out { type nat hook postrouting priority 101; masquerade; }
  chain pass { type filter hook forward priority 0; ct state established accept; }
}
`;

/**
 * What is missing for the network driver; empty when all is there. Needs nothing and changes nothing: what is tried is
 * tried in a namespace that is gone with the call.
 */
export function missingForNetwork(): Missing[] {
  if (process.platform !== 'linux') {
    return [
      {
        what: 'Linux',
        why: 'instances and their networks are namespaces of a Linux kernel',
        howToGet: 'a Linux machine',
      },
    ];
  }
  if (!works(() => inNewNamespace(() => undefined))) {
    return [
      {
        what: 'root',
        why: 'network namespaces and routes are made by root (CAP_SYS_ADMIN and CAP_NET_ADMIN)',
        howToGet: 'run it with sudo; in a container, give it these capabilities',
      },
    ];
  }
  const missing: Missing[] = [];
  if (!works(() => inNewNamespace(() => addSampleVeth()))) {
    missing.push({
      what: 'veth',
      why: 'every network interface of an instance is one end of a veth pair',
      howToGet: 'modprobe veth, or a kernel with CONFIG_VETH',
    });
  }
  if (!works(() => void loadNftables())) {
    missing.push({
      what: 'libnftables.so.1',
      why: 'security groups, network ACLs and public addresses are nftables rules',
      howToGet: 'apt-get install nftables',
    });
  } else if (!works(() => inNewNamespace(() => runNft(undefined, SAMPLE)))) {
    missing.push({
      what: 'nf_tables',
      why: 'the kernel must filter, track and translate by nftables',
      howToGet:
        'modprobe nf_tables nft_ct nft_nat nft_masq, or a kernel with CONFIG_NF_TABLES_INET and CONFIG_NFT_NAT',
    });
  }
  if (!existsSync('/proc/sys/net/ipv4/ip_forward')) {
    missing.push({
      what: '/proc/sys',
      why: 'forwarding is switched on there',
      howToGet: 'mount proc at /proc',
    });
  }
  return missing;
}

function addSampleVeth(): void {
  const netlink = openNetlink(undefined);
  try {
    addVeth(netlink, 'sample', { name: 'elpmas' });
  } finally {
    netlink.close();
  }
}
