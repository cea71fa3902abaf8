/** nftables by way of libnftables: a transaction in half a millisecond, where starting `nft` costs six. */
import koffi from 'koffi';
import { inNamespace } from './libc.ts';

type Context = unknown;

interface Library {
  open(flags: number): Context;
  run(context: Context, commands: string): number;
  bufferOutput(context: Context): number;
  bufferError(context: Context): number;
  output(context: Context): string | null;
  error(context: Context): string | null;
  free(context: Context): void;
}

let library: Library | undefined;

/** Loads libnftables.so.1. Throws when it is not installed (Debian: libnftables1, which `nftables` brings along). */
export function loadNftables(): Library {
  if (library) return library;
  const shared = koffi.load('libnftables.so.1');
  library = {
    open: shared.func('void *nft_ctx_new(uint32_t flags)'),
    run: shared.func('int nft_run_cmd_from_buffer(void *context, const char *commands)'),
    bufferOutput: shared.func('int nft_ctx_buffer_output(void *context)'),
    bufferError: shared.func('int nft_ctx_buffer_error(void *context)'),
    output: shared.func('const char *nft_ctx_get_output_buffer(void *context)'),
    error: shared.func('const char *nft_ctx_get_error_buffer(void *context)'),
    free: shared.func('void nft_ctx_free(void *context)'),
  };
  return library;
}

/**
 * Runs nft commands as one transaction in a namespace (absent: this machine's own) and returns what they print. All of
 * them take effect, or none and an Error with nft's words is thrown. The context is made and freed each time: one that
 * is still open when the process ends crashes it.
 */
export function runNft(namespace: string | undefined, commands: string): string {
  const nft = loadNftables();
  const work = (): string => {
    const context = nft.open(0);
    if (!context) throw new Error('nftables: no context; is this root?');
    try {
      nft.bufferOutput(context);
      nft.bufferError(context);
      if (nft.run(context, commands) !== 0) {
        throw new Error(
          `nftables in ${namespace ?? 'the host'}: ${(nft.error(context) ?? '').trim().slice(0, 2_000)}`,
        );
      }
      return nft.output(context) ?? '';
    } finally {
      nft.free(context);
    }
  };
  return namespace === undefined ? work() : inNamespace(namespace, work);
}

/** Removes a table if it is there. */
export const deleteTable = (namespace: string | undefined, table: string): void => {
  runNft(namespace, `add table inet ${table}\ndelete table inet ${table}\n`);
};
