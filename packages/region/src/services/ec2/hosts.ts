/** The logical hosts of a region's zones. */
import { zonesOf } from '../common/geography.ts';
import type { Scope } from '../common/service.ts';
import { hosts } from './records.ts';

/** Each zone has as many as the settings say; one that has more, from an earlier start, keeps them. */
export function ensureHosts({ tx, region, settings }: Scope): void {
  for (const zone of zonesOf(region)) {
    for (let number = 1; number <= settings.hostsPerZone; number += 1) {
      const id = `${zone.name}-h${number}`;
      if (tx.get(hosts, region, id)) continue;
      tx.create(hosts, { region, id, spec: { zone: zone.name, failed: false }, status: null });
    }
  }
}
