// Gives memory back at once that nobody reads any more.

/**
 * Empties bytes that have a buffer of their own. Collectors count little of what lies outside their heap, and free large buffers late.
 * Node 20 cannot: there the collector does it after all.
 */
export function freeBuffer({ buffer, byteLength }: Uint8Array): void {
  if (!(buffer instanceof ArrayBuffer) || byteLength !== buffer.byteLength) return;
  const { transfer } = buffer as Partial<Pick<ArrayBuffer, 'transfer'>>;
  transfer?.call(buffer, 0);
}
