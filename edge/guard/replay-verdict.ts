// Scores a recorded request again and says whether the verdict comes out the same, bit for bit.
import { z } from 'zod';
import type { Policy } from '../../shared/contracts/policy.ts';
import { scorers, type Verdict } from '../../shared/contracts/verdict.ts';
import { GuardError } from '../../shared/errors.ts';
import type { TraceContext } from '../clients/trace-context.ts';
import type { GuardedModel } from './current-policies.ts';
import type { GuardServices } from './guard-services.ts';
import { loadDetector } from './judge-input.ts';
import { judgeRow, worstVerdict } from './judge-row.ts';
import { scoreInput } from './score-input.ts';
import { validateInput } from './validate-input.ts';

const scoresSchema = z.object({
  verdict: z.enum(['allow', 'flag', 'block']),
  /** One a row. */
  scores: z.array(z.number()),
  scorer: z.enum(scorers),
});

/** The answer to a replay. */
export const replaySchema = z.object({
  matches: z.boolean().describe('Whether every score is the same number, bit for bit.'),
  recorded: scoresSchema,
  replayed: scoresSchema,
});
export type Replay = z.infer<typeof replaySchema>;

/** A recorded verdict and the request that is said to have led to it. */
export interface ReplayCall {
  readonly recorded: Verdict;
  readonly model: GuardedModel;
  readonly body: Uint8Array;
  readonly headers: Headers;
  /** Instant of `Date.now()` at which its time began, where its file was decoded before. */
  readonly begunAt?: number;
  readonly trace: TraceContext;
}

/**
 * Replays a verdict with the detector, compiled model, noise key and scorer that it names.
 * @throws GuardError `conflict` where any of them, or the input, is another; else as a verdict fails
 */
export async function replayVerdict(
  { recorded, model, body, headers, begunAt = Date.now(), trace }: ReplayCall,
  services: GuardServices,
): Promise<Replay> {
  const { detector } = recorded;
  const scorer = detector?.scorer ?? null;
  if (detector === null || scorer === null || recorded.rows.length === 0 || recorded.failure !== null) {
    throw new GuardError('conflict', `this verdict has no score that could be replayed: ${whyNot(recorded)}`);
  }
  if (detector.noise_key_id !== services.noiseKey.id) {
    throw new GuardError('conflict', 'the verdict was made with another noise key');
  }
  const deadlineAt = begunAt + (model.policy.timeout_ms ?? services.guardTimeoutMs);
  const loaded = await loadDetector({ model, deadlineAt }, services);
  if (loaded.digest !== detector.artefact) {
    throw new GuardError('conflict', 'the verdict was made with another detector artefact');
  }
  const input = validateInput({ model, body, headers }, loaded.artefact);
  if (input.rows !== recorded.rows.length) {
    throw new GuardError('conflict', 'the body does not have as many rows as the recorded request');
  }
  const scored = await scoreInput({ loaded, input, deadlineAt, trace, only: scorer }, services);
  if (scored.broken !== undefined) throw scored.broken;
  const { stageDigests = [] } = scored;
  // Stages that only one of the two had to run say nothing.
  const sameStages = (detector.stage_digests ?? []).every(
    (digest, stage) => stageDigests[stage] === undefined || stageDigests[stage] === digest,
  );
  if (scored.compiledDigest !== detector.compiled_digest || !sameStages) {
    throw new GuardError('conflict', 'the verdict was made with another compiled model');
  }
  for (const [row, { inputDigest }] of scored.rows.entries()) {
    if (inputDigest !== recorded.rows[row].input_digest) {
      throw new GuardError('conflict', `row ${row} is not the one that was recorded`);
    }
  }
  const scores = scored.rows.map(({ score }) => score);
  const thresholds = await recordedThresholds(recorded, services);
  return {
    matches: scored.rows.every(({ score, trigger }, row) => {
      const { score: before, trigger: triggerBefore } = recorded.rows[row];
      return score === before && trigger?.score === triggerBefore?.score;
    }),
    recorded: {
      verdict: worstVerdict(recorded.rows),
      scores: recorded.rows.map(({ score }) => score),
      scorer,
    },
    replayed: {
      verdict: worstVerdict(scored.rows.map((row) => judgeRow(row, thresholds))),
      scores,
      scorer: scored.scorer,
    },
  };
}

/** Why there are no scores, or not of all rows. */
function whyNot({ failure, rows, reasons }: Verdict): string {
  if (failure === null) return `its request was not judged (${reasons.join(', ')})`;
  const { class: failureClass, code } = failure;
  if (rows.length > 0) return `its scoring broke off after some rows (${failureClass}, ${code})`;
  if (failureClass === 'unsupported_input') return `its input was refused before it was scored (${code})`;
  return `its scoring failed (${failureClass}, ${code}), which depends on more than the request`;
}

/** Those of the policy that the verdict was made under; before there were policies, and under the configuration's, the detector's own. */
async function recordedThresholds(
  { policy: { id, version } }: Verdict,
  { policyStore }: Pick<GuardServices, 'policyStore'>,
): Promise<Policy['thresholds']> {
  const published = version === 0 ? undefined : await policyStore.version(id, version);
  return published?.policy.thresholds ?? { flag: null, block: null };
}
