// JSON text in which every number is the one that was read.

/** Of the proposal "JSON.parse source text access", which TypeScript's library does not declare yet. */
const { rawJSON } = JSON as typeof JSON & { rawJSON(this: void, text: string): unknown };
const negativeZero = rawJSON('-0');

/** Writes JSON as `JSON.stringify` does, but keeps the sign of a zero: what is forwarded is what was scored. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => (Object.is(inner, -0) ? negativeZero : inner));
}
