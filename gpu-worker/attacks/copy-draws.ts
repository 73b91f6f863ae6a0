// The perturbed copies as an attacker reckons with them: the guard's own where its key is known, draws like them where not.
import type { ExtractionPlan } from '../../shared/contracts/extraction.ts';
import type { Transform } from '../../shared/contracts/transform.ts';
import { type Random, seededRandom } from '../../shared/maths/random.ts';
import { drawTransforms } from '../../shared/noise/draw-transforms.ts';
import { noiseBank } from '../../shared/noise/noise-bank.ts';
import { importNoiseKey, type NoiseKey, noiseKeyBytes } from '../../shared/noise/noise-key.ts';
import { selectRows } from '../../shared/noise/select-rows.ts';

/** What perturbs one input: as many copies as the plan has. */
export interface CopyDraw {
  /** One a copy with noise, each [size], in units of the input, added before the clip. */
  readonly noise: readonly Float32Array[];
  /** One a copy that is a transform. */
  readonly transforms: readonly Transform[];
}

/** Draws what may perturb an input; the expectation is over the draws of one call. */
export type DrawCopies = (input: Float32Array) => Promise<readonly CopyDraw[]>;

type CopyPlan = Pick<ExtractionPlan, 'noise' | 'transforms' | 'transforms_key_id'>;

/** Rows that an attacker's own bank has at least: each counts twice by its sign, and copies mix them anew. */
const ownRows = 512;

/** Whether a plan has anything that the key decides. */
export function hasSecret({ noise, transforms, transforms_key_id: keyId }: CopyPlan): boolean {
  return noise.length > 0 || (keyId !== undefined && transforms.length > 0);
}

/**
 * The very copies that the guard makes, as the holder of its key knows them; of a plan without a secret, as all know them.
 * @returns one draw a call; another input has other noise, as at request time
 */
export async function knownCopies(
  plan: CopyPlan,
  { key, inputSize }: { key: NoiseKey; inputSize: number },
): Promise<DrawCopies> {
  const bank = await noiseBank(key, plan, inputSize);
  const keyed = plan.transforms_key_id !== undefined;
  const transforms = keyed ? await drawTransforms(key, plan.transforms) : plan.transforms;
  return async (input) => {
    const { rows, signs } = await selectRows(key, plan, input);
    const noise = rows.map((row, copy) => signedRow({ bank, row, sign: signs[copy], inputSize }));
    return [{ noise, transforms }];
  };
}

/**
 * Copies of the same families under noise that the attacker draws, the guard's key being secret.
 *
 * Rows are drawn with fresh signs from a bank of the attacker's own key; keyed transforms are drawn under a fresh key each.
 * @param draws draws a call
 */
export async function secretCopies(
  plan: CopyPlan,
  { draws, seed, inputSize }: { draws: number; seed: number; inputSize: number },
): Promise<DrawCopies> {
  const random = seededRandom(seed);
  const own = {
    ...plan,
    noise: plan.noise.map((segment) => ({ ...segment, rows: Math.max(ownRows, segment.copies) })),
  };
  const bank = await noiseBank(await randomKey(random), own, inputSize);
  const one = async (): Promise<CopyDraw> => {
    let first = 0;
    const noise: Float32Array[] = [];
    for (const { rows, copies } of own.noise) {
      for (let copy = 0; copy < copies; copy++) {
        const row = first + Math.floor(random() * rows);
        noise.push(signedRow({ bank, row, sign: random() < 0.5 ? 1 : -1, inputSize }));
      }
      first += rows;
    }
    const transforms =
      plan.transforms_key_id === undefined
        ? plan.transforms
        : await drawTransforms(await randomKey(random), plan.transforms);
    return { noise, transforms };
  };
  return () => Promise.all(Array.from({ length: draws }, one));
}

function signedRow({
  bank,
  row,
  sign,
  inputSize,
}: {
  bank: Float32Array;
  row: number;
  sign: number;
  inputSize: number;
}): Float32Array {
  const values = bank.subarray(row * inputSize, (row + 1) * inputSize);
  return sign === 1 ? values : values.map((value) => -value);
}

function randomKey(random: Random): Promise<NoiseKey> {
  return importNoiseKey(Uint8Array.from({ length: noiseKeyBytes }, () => Math.floor(random() * 256)));
}
