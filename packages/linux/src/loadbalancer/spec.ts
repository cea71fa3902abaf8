/** Checks a node's specification before anything is done with it: what is not supported is refused by name. */

import { isIP } from 'node:net';
import type { ListenerAction, LoadBalancerNodeSpec } from '@holdfast/region/drivers/loadbalancer.ts';
import { backendName } from './names.ts';

const refuse = (message: string): never => {
  throw new Error(message);
};

function whole(value: number, what: string, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most) {
    refuse(`${what} ${value}: a whole number from ${least} to ${most}`);
  }
}

function checkAction(action: ListenerAction, groups: ReadonlySet<string>, where: string): void {
  if (action.kind === 'forward') {
    if (action.targetGroups.length === 0) refuse(`${where}: forward to no target group`);
    for (const { id, weight } of action.targetGroups) {
      if (!groups.has(id)) refuse(`${where}: target group ${id} is not among the node's`);
      whole(weight, `${where}: weight`, 0, 999);
    }
  } else if (action.kind === 'fixed-response') {
    whole(action.status, `${where}: status`, 200, 599);
    if (/[\r\n"\0]/.test(action.contentType))
      refuse(`${where}: content type ${JSON.stringify(action.contentType)}`);
  } else if (action.kind === 'redirect') {
    for (const part of [action.protocol, action.host, action.port, action.path, action.query]) {
      if (/[\0-\x20\x7f]/.test(part))
        refuse(`${where}: redirect with blank or control character in ${JSON.stringify(part)}`);
    }
  } else {
    refuse(`${where}: action ${(action as { kind: string }).kind} is not supported`);
  }
}

/** Throws an error that names what is wrong. */
export function checkNode(node: LoadBalancerNodeSpec): void {
  if (!/^[a-z0-9-]{1,40}$/.test(node.id)) refuse(`load balancer node ${node.id}: a-z, 0-9 and -, at most 40`);
  if (!isIP(node.address)) refuse(`node ${node.id}: address ${node.address}`);
  whole(node.idleTimeoutMs, `node ${node.id}: idleTimeoutMs`, 1, 4_000_000);
  const groups = new Set(node.targetGroups.map((group) => group.id));
  const names = new Set(node.targetGroups.map((group) => backendName(group.id)));
  if (names.size !== node.targetGroups.length) refuse(`node ${node.id}: two target groups with one name`);
  for (const group of node.targetGroups) {
    const where = `target group ${group.id}`;
    const check = group.healthCheck;
    whole(check.intervalMs, `${where}: intervalMs`, 10, 300_000);
    whole(check.timeoutMs, `${where}: timeoutMs`, 1, 120_000);
    whole(check.healthyThreshold, `${where}: healthyThreshold`, 1, 100);
    whole(check.unhealthyThreshold, `${where}: unhealthyThreshold`, 1, 100);
    if (check.port !== undefined) whole(check.port, `${where}: check port`, 1, 65_535);
    if (!/^\/[^\0-\x20\x7f]*$/.test(check.path)) refuse(`${where}: check path ${JSON.stringify(check.path)}`);
    if (!/^\d{3}(-\d{3})?(,\d{3}(-\d{3})?)*$/.test(check.matcher))
      refuse(`${where}: matcher ${check.matcher}`);
    const ids = new Set<string>();
    for (const target of group.targets) {
      if (!/^[A-Za-z0-9_.:-]{1,100}$/.test(target.id))
        refuse(`${where}: target id ${JSON.stringify(target.id)}`);
      if (ids.has(target.id)) refuse(`${where}: target ${target.id} twice`);
      ids.add(target.id);
      if (isIP(target.address) !== 4)
        refuse(`${where}: target address ${target.address} is not an IPv4 address`);
      whole(target.port, `${where}: target port`, 1, 65_535);
    }
  }
  const ports = new Set<number>();
  for (const listener of node.listeners) {
    if (listener.protocol !== 'HTTP')
      refuse(`listener ${listener.id}: protocol ${listener.protocol} is not supported`);
    whole(listener.port, `listener ${listener.id}: port`, 1, 65_535);
    if (ports.has(listener.port)) refuse(`node ${node.id}: two listeners on port ${listener.port}`);
    ports.add(listener.port);
    checkAction(listener.defaultAction, groups, `listener ${listener.id}`);
  }
}
