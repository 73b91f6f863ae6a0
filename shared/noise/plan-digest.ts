// A name for a plan by which a guard and a gpu-worker know that they mean the same copies.
import canonicalize from 'canonicalize';
import type { ExtractionPlan } from '../contracts/extraction.ts';
import { sha256Digest } from './noise-key.ts';

/**
 * Digest of a plan, however its members are ordered.
 *
 * A plan of transforms has no inputs of its own whose shapes would show that the compiled graph makes other copies.
 * @param plan as `extractionPlanSchema` gives it
 */
export async function planDigest(plan: ExtractionPlan): Promise<string> {
  return sha256Digest(new TextEncoder().encode(canonicalize(plan)));
}

/** Characters of a digest that tell the parts of one model's plans apart. */
const partCharacters = 12;

/**
 * The version under which a gpu-worker serves the graph of a part of a plan: those of one model share its name.
 * @param digest of the plan, as `planDigest` gives it
 */
export function partVersion(digest: string): string {
  return `part-${digest.slice('sha256:'.length, 'sha256:'.length + partCharacters)}`;
}
