// Sends the demo's digits through the front door, and says what came of them.
import { setTimeout as sleep } from 'node:timers/promises';
import { headerLengthHeader } from '../../shared/contracts/inference.ts';
import { type Verdict, verdictSchema } from '../../shared/contracts/verdict.ts';
import { GuardError } from '../../shared/errors.ts';
import { argmax } from '../../shared/maths/nccr-vector.ts';
import { readResponse } from '../../shared/oip/read-message.ts';
import { writeBinaryRequest } from '../../shared/oip/write-message.ts';

/** The front door, and how the model is named there. */
export interface FrontDoor {
  readonly edge: URL;
  readonly model: string;
  /** Name of the model's input, and its shape without the batch. */
  readonly inputName: string;
  readonly inputShape: readonly number[];
}

/** What came of one request. */
export interface DemoAnswer {
  readonly status: number;
  /** From the request to the last byte of the answer. */
  readonly ms: number;
  /** Label that the protected model gave; undefined where the request was refused. */
  readonly label: number | undefined;
  /** The verdict as the audit has it; undefined where the guard is off. */
  readonly verdict: Verdict | undefined;
}

/** The audit is written after the answer: how often and how long it is looked for. */
const auditPolls = { times: 40, everyMs: 25 };

/** Waits until the edge says that it can give a verdict. */
export async function untilReady(edge: URL, waitMs: number): Promise<void> {
  const deadline = performance.now() + waitMs;
  for (;;) {
    const response = await fetch(new URL('/v2/health/ready', edge));
    await response.body?.cancel();
    if (response.status === 200) return;
    if (performance.now() > deadline) {
      const why = response.headers.get('x-guard-not-ready') ?? `status ${response.status}`;
      throw new GuardError('detector_unavailable', `the edge is not ready: ${why}`);
    }
    await sleep(100);
  }
}

/** Sends one input to `POST /v2/models/{model}/infer` and looks its verdict up. */
export async function sendInput(
  { edge, model, inputName, inputShape }: FrontDoor,
  data: Float32Array,
): Promise<DemoAnswer> {
  const input = { name: inputName, datatype: 'FP32' as const, shape: [1, ...inputShape], data };
  const { body, headers } = writeBinaryRequest([input]);
  const startedAt = performance.now();
  const response = await fetch(new URL(`/v2/models/${model}/infer`, edge), { method: 'POST', body, headers });
  const bytes = await response.bytes();
  const ms = performance.now() - startedAt;
  const label =
    response.status === 200
      ? argmax(
          readResponse({ bytes, headerLength: response.headers.get(headerLengthHeader) }).outputs[0]
            .data as Float32Array,
        )
      : undefined;
  const verdict = await readVerdict(edge, response.headers.get('x-guard-verdict-id'));
  return { status: response.status, ms, label, verdict };
}

async function readVerdict(edge: URL, id: string | null): Promise<Verdict | undefined> {
  if (id === null) return undefined;
  for (let poll = 0; poll < auditPolls.times; poll++) {
    const response = await fetch(new URL(`/v1/verdicts/${id}`, edge));
    const body: unknown = await response.json();
    if (response.status === 200) return verdictSchema.parse(body);
    await sleep(auditPolls.everyMs);
  }
  throw new GuardError('internal', `verdict ${id} is not in the audit`);
}

/** One line about an answer. */
export function describeAnswer(what: string, { status, ms, label, verdict }: DemoAnswer): string {
  const score =
    verdict === undefined || verdict.score === null || verdict.threshold === null
      ? ''
      : `, score ${verdict.score.toFixed(2)}, threshold ${verdict.threshold.toFixed(2)}`;
  const outcome = label === undefined ? 'refused' : `answered: label ${label}`;
  const judged = verdict === undefined ? 'no verdict' : `verdict ${verdict.verdict}${score}`;
  return `${what.padEnd(30)} HTTP ${status}, ${outcome}; ${judged}; ${ms.toFixed(1)} ms`;
}
