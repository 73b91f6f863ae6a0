// Assertions for programmer errors: a failed one is a bug, never a user's mistake.

/** Throws where `condition` does not hold. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`Assertion failed: ${message}`);
}

/** Throws where a flat array does not hold as many elements as its shape says. */
export function assertShape(data: { readonly length: number }, shape: readonly number[], name: string): void {
  const count = shape.reduce((product, extent) => product * extent, 1);
  assert(
    data.length === count,
    `${name} has ${data.length} elements, its shape [${shape.join(', ')}] says ${count}`,
  );
}
