/**
 * What people's Terraform says of networks and instances beyond the examples, on simulated instances: each resource is
 * applied, read back as it was written and destroyed, and each data source finds what is there.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Clients, connect } from '../../packages/holdfast/src/demo/stack.ts';
import { described } from '../support/described.ts';
import { becomes } from '../support/instances.ts';
import { startRegion, type TestRegion } from '../support/region.ts';
import { type Terraform, terraformIn, withoutTerraform } from '../support/terraform.ts';

describe('further resources by Terraform', { skip: withoutTerraform(), timeout: 900_000 }, () => {
  let region: TestRegion;
  let clients: Clients;
  let terraform: Terraform;
  let atFirst: string[];

  before(async () => {
    region = await startRegion({ prefix: 'hftx', driver: 'sim', awsRegion: 'us-east-2' });
    clients = connect(region.endpoint, 'us-east-2');
    atFirst = await described(clients);
    terraform = await terraformIn('test/conformance/terraform-resources', region.env);
  });
  after(async () => {
    for (const client of Object.values(clients ?? {})) client.destroy();
    terraform?.close();
    await region?.down();
  });

  test('are valid and formatted', () => terraform.check());

  test('are applied, found and read back as they were written', async () => {
    await terraform.apply();
    assert.deepEqual((await terraform.outputs()).found, {
      instances: 2,
      interfaces: 4,
      route_tables: 2,
      nat_gateways: 1,
      eips: 1,
      volumes: 3,
      network_acls: 2,
      dns: ['AmazonProvidedDNS'],
      encrypted: false,
    });
    assert.deepEqual(await terraform.changes(), []);
  });

  test('are destroyed, and nothing is left', async () => {
    await terraform.destroy();
    await becomes(() => described(clients), atFirst);
  });
});
