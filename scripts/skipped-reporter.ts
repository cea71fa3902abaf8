/** Says at the end which tests were skipped, and why. */
interface TestEvent {
  readonly type: string;
  readonly data: { readonly name?: string; readonly skip?: string | boolean; readonly file?: string };
}

export default async function* skipped(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const lines: string[] = [];
  for await (const { type, data } of events) {
    if (type !== 'test:pass' || data.skip === undefined || data.skip === false) continue;
    lines.push(
      `skipped: ${data.name}: ${typeof data.skip === 'string' && data.skip !== '' ? data.skip : 'no reason given'}`,
    );
  }
  if (lines.length > 0) yield `${lines.join('\n')}\n`;
}
