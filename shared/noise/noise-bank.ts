// The bank of noise rows that a compiled graph carries: a pure function of the key, the plan and the input's size.
import { type ExtractionPlan, type NoiseSegment, planBankRows } from '../contracts/extraction.ts';
import { keyedBytes, type NoiseKey } from './noise-key.ts';

/**
 * Makes the bank.
 *
 * `gaussian` rows are N(0, (epsilon/2)^2) clipped to ±epsilon, `uniform` rows are U(-epsilon, epsilon); signs are drawn
 * at request time, so each row counts twice.
 * @param plan its noise segments follow each other
 * @param inputSize elements of one input
 * @returns row-major [planBankRows(plan), inputSize], in units of the input
 * @see NCCR, section 3.2; the scale of the noise is the one measured in docs/paper.md
 */
export async function noiseBank(
  key: NoiseKey,
  plan: Pick<ExtractionPlan, 'noise'>,
  inputSize: number,
): Promise<Float32Array<ArrayBuffer>> {
  const bank = new Float32Array(planBankRows(plan) * inputSize);
  let first = 0;
  for (const [index, segment] of plan.noise.entries()) {
    const stream = await segmentStream(key, `${index}/${segment.family}/${segment.epsilon}`);
    for (let row = 0; row < segment.rows; row++) {
      const start = (first + row) * inputSize;
      fillRow(bank.subarray(start, start + inputSize), segment, await stream(row, 2 * inputSize));
    }
    first += segment.rows;
  }
  return bank;
}

/** Fills one row from two uniform words an element. */
function fillRow(values: Float32Array, { family, epsilon }: NoiseSegment, words: Uint32Array): void {
  const unit = 2 ** -32;
  for (let index = 0; index < values.length; index++) {
    const first = words[2 * index] * unit;
    if (family === 'uniform') {
      values[index] = epsilon * (2 * first - 1);
      continue;
    }
    const normal = Math.sqrt(-2 * Math.log(1 - first)) * Math.cos(2 * Math.PI * words[2 * index + 1] * unit);
    values[index] = Math.min(epsilon, Math.max(-epsilon, (epsilon / 2) * normal));
  }
}

/** AES-CTR under a key derived for one segment, a counter range a row: a seeded generator could be read off its output. */
async function segmentStream(
  key: NoiseKey,
  segment: string,
): Promise<(row: number, words: number) => Promise<Uint32Array>> {
  const context = new TextEncoder().encode(segment);
  const raw = await keyedBytes(key, { label: 'nccr-guard/bank/v1', context, length: 16 });
  const aes = await crypto.subtle.importKey('raw', raw, 'AES-CTR', false, ['encrypt']);
  return async (row, words) => {
    const counter = new Uint8Array(16);
    new DataView(counter.buffer).setUint32(0, row);
    const zeros = new Uint8Array(words * 4);
    return new Uint32Array(await crypto.subtle.encrypt({ name: 'AES-CTR', counter, length: 64 }, aes, zeros));
  };
}
