// Which rows of the bank perturb an input, and with which signs: keyed by the input's digest.
import { type ExtractionPlan, planNoiseCopies } from '../contracts/extraction.ts';
import { keyedBytes, type NoiseKey, sha256, toHex } from './noise-key.ts';

/** The noise of one input: N row numbers of the bank and N signs; none where the plan has no noise. */
export interface RowSelection {
  /** [N], each a row of the whole bank. */
  readonly rows: readonly number[];
  /** [N], each 1 or -1. */
  readonly signs: readonly number[];
  /** `sha256:…` of the input's bytes: same input, same noise. */
  readonly inputDigest: string;
}

/**
 * Selects the noise of one input by HMAC(key, digest of the input).
 *
 * Deviation: the paper draws its noise anew. Keyed by the input, a verdict is the same every time and can be replayed, and
 * without the key nobody can tell the noise. Not a matter of accuracy.
 *
 * Within a segment rows are drawn
 * without replacement where the segment has enough of them.
 * @param input the elements of one input, float32, digested as little-endian bytes; of an example that is screened what is sent
 *   of it: its pixels as float32 or bytes, channels first, or its whole file
 * @returns rows and signs, in the order of the plan's segments
 */
export async function selectRows(
  key: NoiseKey,
  plan: Pick<ExtractionPlan, 'noise'>,
  input: Float32Array | Uint8Array,
): Promise<RowSelection> {
  const digest = await sha256(new Uint8Array(input.buffer, input.byteOffset, input.byteLength));
  const copies = planNoiseCopies(plan);
  // Four bytes a copy: 31 bits choose the row, so that the bias of the remainder stays under 2^-15 for the largest bank.
  const bytes = await keyedBytes(key, { label: 'nccr-guard/rows/v1', context: digest, length: copies * 4 });
  const words = new DataView(bytes.buffer);
  const rows: number[] = [];
  const signs: number[] = [];
  let firstRow = 0;
  for (const segment of plan.noise) {
    let remaining = segment.rows;
    // Rows that stand in another place than their own. A list of all rows would cost more than all the rest of a selection.
    const moved = new Map<number, number>();
    for (let copy = 0; copy < segment.copies; copy++) {
      const word = words.getUint32(rows.length * 4, true);
      const drawn = (word >>> 1) % remaining;
      rows.push(firstRow + (moved.get(drawn) ?? drawn));
      signs.push((word & 1) === 1 ? 1 : -1);
      if (segment.copies <= segment.rows) {
        // The last row takes the drawn one's place, so that a draw costs the same for any bank.
        remaining--;
        moved.set(drawn, moved.get(remaining) ?? remaining);
      }
    }
    firstRow += segment.rows;
  }
  return { rows, signs, inputDigest: `sha256:${toHex(digest)}` };
}
