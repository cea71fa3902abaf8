/** Terraform as this machine has it, with the AWS provider from a mirror on disk: a test downloads nothing. */
import { cpSync, globSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { withoutCommand } from './needs.ts';
import { type Finished, root, run } from './region.ts';

/** Where a filesystem mirror usually stands; TF_PLUGIN_MIRROR names another one. */
const mirrors = [
  ...(process.env.TF_PLUGIN_MIRROR ? [process.env.TF_PLUGIN_MIRROR] : []),
  join(homedir(), '.terraform.d/plugins'),
  '/usr/local/share/terraform/plugins',
  '/usr/share/terraform/plugins',
  '/opt/terraform/plugins',
  '/opt/tf-plugins',
];

const mirror = mirrors.find(
  (folder) => globSync(join(folder, '*/hashicorp/aws/**/terraform-provider-aws*')).length > 0,
);

/** A reason to skip what needs Terraform; false when it is there, with its AWS provider. */
export const withoutTerraform = (): string | false =>
  withoutCommand('terraform', 'https://developer.hashicorp.com/terraform/install') ||
  (mirror === undefined
    ? 'no mirror of the Terraform provider hashicorp/aws on disk: make one with `terraform providers mirror` and name it in TF_PLUGIN_MIRROR'
    : false);

type Variables = Readonly<Record<string, string>>;

export interface Terraform {
  /** The configuration's own words, formatted as `terraform fmt` would. Throws with what is not. */
  check(): Promise<void>;
  /** Throws with Terraform's words when it fails; the words otherwise. */
  apply(variables?: Variables): Promise<string>;
  /** What a plan would change, one `action address` for each: empty when the region is as it is described. */
  changes(variables?: Variables): Promise<string[]>;
  // biome-ignore lint/suspicious/noExplicitAny: each configuration has its own outputs
  outputs(): Promise<any>;
  destroy(variables?: Variables): Promise<string>;
  /** Takes the folder away, not what was applied. */
  close(): void;
}

interface Planned {
  readonly address: string;
  readonly change: { readonly actions: readonly string[] };
}

/** A copy of `folder`, initialised; `env` says which region it talks to. */
export async function terraformIn(folder: string, env: Record<string, string>): Promise<Terraform> {
  // The same place in each run of a region, so that what a killed one left is found.
  const place = join(tmpdir(), `holdfast-terraform-${env.HOLDFAST_PREFIX ?? 'elsewhere'}`);
  const at = join(place, 'configuration');
  rmSync(place, { recursive: true, force: true });
  mkdirSync(place);
  cpSync(join(root, folder), at, {
    recursive: true,
    filter: (path) => !/\.terraform($|[./])|\.tfstate/.test(path.slice(root.length)),
  });
  const settings = join(place, 'terraform.rc');
  writeFileSync(settings, `provider_installation {\n  filesystem_mirror {\n    path = "${mirror}"\n  }\n}\n`);
  const own = {
    ...env,
    TF_CLI_CONFIG_FILE: settings,
    TF_IN_AUTOMATION: '1',
    TF_INPUT: '0',
    CHECKPOINT_DISABLE: '1',
  };
  const call = (command: string, ...args: string[]): Promise<Finished> =>
    run('terraform', [`-chdir=${at}`, command, ...args], { env: own, timeoutMs: 300_000 });
  const done = async (command: string, ...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await call(command, ...args);
    if (code !== 0) throw new Error(`terraform ${command}: exit ${code}\n${stdout}\n${stderr}`);
    return stdout;
  };
  const set = (variables: Variables = {}): string[] =>
    Object.entries(variables).map(([name, value]) => `-var=${name}=${value}`);
  const close = (): void => rmSync(place, { recursive: true, force: true });
  try {
    await done('init', '-no-color');
  } catch (error) {
    close();
    throw error;
  }
  return {
    async check() {
      await done('fmt', '-check', '-diff', '-recursive');
      await done('validate', '-no-color');
    },
    apply: (variables) => done('apply', '-auto-approve', '-no-color', ...set(variables)),
    async changes(variables) {
      const file = join(place, 'plan');
      const { code, stdout, stderr } = await call(
        'plan',
        '-detailed-exitcode',
        '-no-color',
        `-out=${file}`,
        ...set(variables),
      );
      if (code === 0) return [];
      if (code !== 2) throw new Error(`terraform plan: exit ${code}\n${stdout}\n${stderr}`);
      const { resource_changes: planned = [], output_changes: outputs = {} } = JSON.parse(
        await done('show', '-json', file),
      ) as { resource_changes?: Planned[]; output_changes?: Record<string, Planned['change']> };
      const all = [
        ...planned,
        ...Object.entries(outputs).map(([name, change]) => ({ address: `output.${name}`, change })),
      ];
      return all
        .filter(({ change }) => change.actions.some((action) => !['no-op', 'read'].includes(action)))
        .map(({ address, change }) => `${change.actions.join(' ')} ${address}`);
    },
    async outputs() {
      const given = JSON.parse(await done('output', '-json')) as Record<string, { value: unknown }>;
      return Object.fromEntries(Object.entries(given).map(([name, { value }]) => [name, value]));
    },
    destroy: (variables) => done('destroy', '-auto-approve', '-no-color', ...set(variables)),
    close,
  };
}
