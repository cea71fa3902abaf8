import type { ModelFile } from '../src/model-file.ts';

/** JSON with one operation and one shape a line, so that a change of a model reads well as a diff. */
export function renderModel(model: ModelFile): string {
  const { operations, shapes, ...head } = model;
  const lines = Object.entries(operations).map(
    ([name, shapeIds]) => `${JSON.stringify(name)}:${JSON.stringify(shapeIds)}`,
  );
  const fields = Object.entries(head).map(([key, value]) => `"${key}":${JSON.stringify(value)}`);
  return [
    `{${fields.join(',\n')},`,
    `"operations":{\n${lines.join(',\n')}},`,
    `"shapes":[\n${shapes.map((shape) => JSON.stringify(shape)).join(',\n')}]}`,
    '',
  ].join('\n');
}
