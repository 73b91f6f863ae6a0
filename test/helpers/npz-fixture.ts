// npz uploads as the tests make, damage and read them.
import { zipSync } from 'fflate';
import { writeNpy } from '../../gpu-worker/datasets/npy.ts';
import type { Tensor } from '../../shared/maths/tensor.ts';
import type { UploadOptions } from '../../shared/uploads/upload.ts';
import { fileOf, patternedBytes, readAll } from './upload-fixture.ts';

/** How the tests read one. */
export const npzOptions: UploadOptions = { format: 'npz', batch: 2, classes: 10 };

/** Five images and their labels. */
export const pixels = patternedBytes(5 * 3 * 2 * 6);
export const images: Tensor = { datatype: 'UINT8', shape: [5, 3, 2, 6], data: pixels };
export const labels: Tensor = { datatype: 'INT64', shape: [5], data: BigInt64Array.of(7n, 0n, 7n, 1n, 9n) };

/** An archive of these arrays, deflated or stored. */
export function npz(
  arrays: Readonly<Record<string, Tensor | Uint8Array>>,
  deflated = true,
): Uint8Array<ArrayBuffer> {
  const files = Object.entries(arrays).map(([name, array]) => [
    `${name}.npy`,
    array instanceof Uint8Array ? array : writeNpy(array),
  ]);
  return zipSync(Object.fromEntries(files), { level: deflated ? 6 : 0 });
}

/** Reads an archive whole. */
export function readNpzUpload(bytes: Uint8Array, more: Partial<UploadOptions> = {}, limits = {}) {
  return readAll([fileOf('set.npz', bytes)], { ...npzOptions, ...more }, limits);
}

/** A copy whose 32-bit number at a place of the n-th directory entry is another. */
export function patched(
  archive: Uint8Array,
  entry: number,
  field: number,
  value: number,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(archive);
  const view = new DataView(bytes.buffer);
  let at = -1;
  for (let found = 0; found <= entry; found++) {
    do at++;
    while (view.getUint32(at, true) !== 0x02014b50);
  }
  view.setUint32(at + field, value, true);
  return bytes;
}
