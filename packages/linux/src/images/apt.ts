/** Where this host's own apt gets Debian from, and through which proxy. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand } from '../host/command.ts';
import { entriesOf } from '../host/files.ts';

interface Source {
  readonly uri: string;
  readonly suites: readonly string[];
  readonly components: readonly string[];
  readonly signedBy: string;
}

/** One-line entries: `deb [signed-by=…] uri suite component…`. See sources.list(5). */
function parseLines(text: string): Source[] {
  return [...text.matchAll(/^deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+(.+)$/gm)].map((match) => ({
    uri: match[2]!,
    suites: [match[3]!],
    components: match[4]!.split('#')[0]!.trim().split(/\s+/),
    signedBy: /signed-by=(\S+)/.exec(match[1] ?? '')?.[1] ?? '',
  }));
}

/** The deb822 format: paragraphs of `Field: value`. */
function parseParagraphs(text: string): Source[] {
  const withoutComments = text.replaceAll(/^#.*\n/gm, '');
  return withoutComments.split(/\n\s*\n/).flatMap((paragraph) => {
    const field = (name: string): string[] =>
      (new RegExp(`^${name}:[ \\t]*((?:.*)(?:\\n[ \\t].*)*)`, 'im').exec(paragraph)?.[1] ?? '')
        .split(/\s+/)
        .filter(Boolean);
    if (!field('Types').includes('deb') || field('Enabled')[0] === 'no') return [];
    const [suites, components, signedBy] = [
      field('Suites'),
      field('Components'),
      field('Signed-By').join(' '),
    ];
    return field('URIs').map((uri) => ({ uri, suites, components, signedBy }));
  });
}

const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';

function namedMirror(release: string): { uri: string; suite: string }[] {
  const uri = process.env.HOLDFAST_DEBIAN_MIRROR;
  if (!uri) {
    throw new Error(
      `this machine's apt knows no mirror of Debian ${release}; name one: HOLDFAST_DEBIAN_MIRROR=<URI>`,
    );
  }
  return [release, `${release}-updates`].map((suite) => ({ uri, suite }));
}

/**
 * Source lines for a Debian release: the host's own where it has them. Another distribution's host has none; there the
 * user names a mirror. Repositories of others than Debian are left out.
 * @throws Error that says how to name a mirror.
 */
export function debianSources(release: string, etcApt = '/etc/apt'): { mirror: string; lines: string[] } {
  const files = [
    'sources.list',
    ...entriesOf(join(etcApt, 'sources.list.d')).map((name) => `sources.list.d/${name}`),
  ];
  const wanted = [release, `${release}-updates`, `${release}-security`];
  const sources = files
    .filter((file) => /\.(list|sources)$/.test(file) && existsSync(join(etcApt, file)))
    .flatMap((file) => {
      const text = readFileSync(join(etcApt, file), 'utf8');
      return file.endsWith('.list') ? parseLines(text) : parseParagraphs(text);
    })
    .filter(({ components, signedBy }) => components.includes('main') && /^$|debian-archive/.test(signedBy))
    .flatMap(({ uri, suites }) =>
      suites.filter((suite) => wanted.includes(suite)).map((suite) => ({ uri, suite })),
    );
  const found = sources.some(({ suite }) => suite === release) ? sources : namedMirror(release);
  const signed = existsSync(keyring) ? `[signed-by=${keyring}] ` : '';
  return {
    mirror: found.find(({ suite }) => suite === release)!.uri,
    lines: [...new Set(found.map(({ uri, suite }) => `deb ${signed}${uri} ${suite} main`))],
  };
}

/** The host's apt settings that decide how a mirror is reached. */
export async function aptOptions(): Promise<string[]> {
  const settings = await runCommand([
    'apt-config',
    'dump',
    '--format',
    '%f "%v";%n',
    'Acquire::http',
    'Acquire::https',
  ]);
  return settings
    .split('\n')
    .filter((line) => /^Acquire::https?::(Proxy|CAInfo|.*::Proxy)/i.test(line) && !line.includes('""'));
}
