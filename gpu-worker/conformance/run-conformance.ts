// Runs every check against one server, and compares the reports of two.
import {
  type ModelMetadata,
  modelMetadataSchema,
  serverMetadataSchema,
} from '../../shared/contracts/inference.ts';
import { elementArrays, elementCount, type NamedTensor } from '../../shared/maths/tensor.ts';
import { isDatatype } from '../../shared/oip/elements.ts';
import type { ReadRequest } from '../../shared/oip/read-message.ts';
import { binaryChecks } from './binary-checks.ts';
import { type CheckContext, type ConformanceCheck, ConformanceFault } from './conformance-check.ts';
import { inferenceChecks } from './inference-checks.ts';
import { modelPath, type OipTarget, oipTarget, type TargetOptions } from './oip-target.ts';
import { refusalChecks } from './refusal-checks.ts';
import { serverChecks } from './server-checks.ts';

/** Elements that are made up of one input. */
const madeUpElementsMax = 4 * 1024 * 1024;

/** Every check in the order in which they run. */
export const conformanceChecks: readonly ConformanceCheck[] = [
  ...serverChecks,
  ...inferenceChecks,
  ...binaryChecks,
  ...refusalChecks,
];

/** What came of one check. */
export interface CheckReport {
  readonly name: string;
  readonly demands: string;
  readonly outcome: 'pass' | 'fail' | 'skip';
  /** Why it failed or was left out. */
  readonly reason?: string;
  /** SHA-256 of each inference that was answered: of its content-type, its header of the binary extension and its body. */
  readonly answers: readonly string[];
}

/** What came of all. */
export interface ConformanceReport {
  readonly url: string;
  readonly model: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly checks: readonly CheckReport[];
}

/** A server, and what it is asked with. */
export interface ConformanceOptions extends TargetOptions {
  /** A request that the model answers; made up from its metadata where it is not given. */
  readonly request?: Pick<ReadRequest, 'inputs' | 'parameters'> | undefined;
}

/** Runs all checks, one after another. */
export async function runConformance({
  request,
  ...options
}: ConformanceOptions): Promise<ConformanceReport> {
  const target = oipTarget(options);
  const metadata = await ask(target, modelPath(target.model), modelMetadataSchema);
  const server = await ask(target, 'v2', serverMetadataSchema);
  const context: CheckContext = {
    target,
    metadata,
    extensions: server?.extensions ?? [],
    inputs: request?.inputs ?? (metadata && madeUpInputs(metadata)),
    parameters: request?.parameters ?? {},
  };
  const checks: CheckReport[] = [];
  for (const check of conformanceChecks) checks.push(await runCheck(check, context));
  const count = (outcome: CheckReport['outcome']) =>
    checks.filter((check) => check.outcome === outcome).length;
  return {
    url: options.url.href,
    model: options.model,
    passed: count('pass'),
    failed: count('fail'),
    skipped: count('skip'),
    checks,
  };
}

/** Names of the checks that ended otherwise, or whose inferences were answered with other bytes. */
export function reportDifferences(one: ConformanceReport, other: ConformanceReport): string[] {
  return one.checks
    .filter(({ name, outcome, answers }) => {
      const same = other.checks.find((check) => check.name === name);
      return same === undefined || same.outcome !== outcome || same.answers.join() !== answers.join();
    })
    .map(({ name }) => name);
}

async function runCheck(check: ConformanceCheck, context: CheckContext): Promise<CheckReport> {
  const { name, demands } = check;
  const answers = () => context.target.takeAnswers();
  try {
    const skipped = await check.run(context);
    const report = { name, demands, answers: answers() };
    return skipped === undefined
      ? { ...report, outcome: 'pass' }
      : { ...report, outcome: 'skip', reason: skipped };
  } catch (thrown) {
    // A server that cannot be reached, or breaks off, fails the check too.
    const reason = thrown instanceof ConformanceFault ? thrown.message : `no answer: ${causeOf(thrown)}`;
    return { name, demands, outcome: 'fail', reason, answers: answers() };
  }
}

function causeOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  return thrown.cause instanceof Error ? `${thrown.message} (${thrown.cause.message})` : thrown.message;
}

/** What a route says, where it says it as it should; a check of its own finds fault with it otherwise. */
async function ask<T>(
  target: OipTarget,
  path: string,
  schema: { safeParse(value: unknown): { success: boolean; data?: T } },
): Promise<T | undefined> {
  const answer = await target.get(path).catch(() => undefined);
  return answer?.status === 200 ? schema.safeParse(answer.json()).data : undefined;
}

/** Inputs of one row: floats between 0 and 1, integers of 0 and 1. */
function madeUpInputs({ inputs }: ModelMetadata): NamedTensor[] | undefined {
  const made = inputs.flatMap(({ name, datatype, shape: declared }): NamedTensor[] => {
    if (!isDatatype(datatype)) return [];
    const shape = declared.map((extent) => (extent === -1 ? 1 : extent));
    // What a server says of itself decides how much is made and sent: of one that says too much nothing is.
    if (!(elementCount(shape) <= madeUpElementsMax)) return [];
    const data = new elementArrays[datatype](elementCount(shape));
    const isFloat = datatype === 'FP32' || datatype === 'FP64';
    for (let index = 0; index < data.length; index++) {
      const byte = (index * 7_919) % 256;
      const value = isFloat ? byte / 255 : byte % 2;
      if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[index] = BigInt(value);
      else data[index] = value;
    }
    return [{ name, datatype, shape, data }];
  });
  return made.length === inputs.length ? made : undefined;
}
