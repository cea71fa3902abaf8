/** Says on stderr what takes more than a second, and how long it took. */
export async function step<T>(
  what: string,
  work: (note: (detail: string) => void) => Promise<T>,
): Promise<T> {
  const startedAt = performance.now();
  const elapsed = (): string => `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
  let shown = false;
  const show = (): void => {
    if (!shown) console.error(`${what} …`);
    shown = true;
  };
  const timer = setTimeout(show, 1000);
  try {
    const result = await work((detail) => {
      show();
      console.error(`  ${elapsed()}  ${detail}`);
    });
    if (shown) console.error(`${what}: done in ${elapsed()}`);
    return result;
  } finally {
    clearTimeout(timer);
  }
}
