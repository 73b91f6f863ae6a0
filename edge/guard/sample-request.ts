// Which requests are judged where a policy judges a share of them.
import type { Policy } from '../../shared/contracts/policy.ts';
import { keyedBytes, type NoiseKey, sha256 } from '../../shared/noise/noise-key.ts';

/** Separates this use of the key from the others. */
const label = 'nccr-guard/sampling/v1';

/**
 * Whether a request is judged. The key decides by the body: chance would let a sender try the same body until it is not looked at.
 * @param body as it was sent
 */
export async function isSampled(
  body: Uint8Array,
  { sampling_percent: percent }: Pick<Policy, 'sampling_percent'>,
  key: NoiseKey,
): Promise<boolean> {
  if (percent >= 100) return true;
  if (percent <= 0) return false;
  const bytes = await keyedBytes(key, { label, context: await sha256(body), length: 4 });
  return (new DataView(bytes.buffer).getUint32(0) / 2 ** 32) * 100 < percent;
}
