// Runs steps one after another; what a step found is kept under a digest of all that it follows from, so that a killed run goes on.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { ReproductionStep } from '../../shared/contracts/reproduction.ts';
import { GuardError } from '../../shared/errors.ts';
import type { PlannedStep } from './reproduction-steps.ts';

/** What steps are run with. */
export interface StepRunner {
  /** Folder of everything that is kept. */
  readonly folder: string;
  /** Digest of the code: a step that another code made is made again. */
  readonly code: string;
  /** Runs a command of the command line. @throws GuardError where it is refused or fails */
  readonly runCommand: (words: readonly string[]) => Promise<void>;
  /** Writes a file in one piece. */
  readonly write: (path: string, content: string) => Promise<void>;
  /** Told of each step before it begins. */
  readonly onStep: (message: string) => void;
}

/** A step that was run or read, with its result's file. */
export interface StepOutcome {
  readonly step: ReproductionStep;
  /** Tables and figures that it is for. */
  readonly tables: readonly string[];
  /** Undefined where there is no result. */
  readonly file: string | undefined;
}

/** What is written last of a step: with it the step is done. */
const doneSchema = z.strictObject({
  name: z.string(),
  command: z.array(z.string()),
  seconds: z.number(),
  /** Digest of the result: a file that was damaged since is made again. */
  digest: z.string(),
});

/** Runs the steps in their order; one that fails or has no data leaves the others be. */
export async function runSteps(steps: readonly PlannedStep[], runner: StepRunner): Promise<StepOutcome[]> {
  const outcomes: StepOutcome[] = [];
  const digests = fileDigests();
  for (const [index, planned] of steps.entries()) {
    runner.onStep(`[${index + 1}/${steps.length}] ${planned.name}`);
    outcomes.push(await runStep(planned, { runner, outcomes, digests }));
  }
  return outcomes;
}

interface StepContext {
  readonly runner: StepRunner;
  readonly outcomes: readonly StepOutcome[];
  readonly digests: (path: string) => Promise<string>;
}

async function runStep(planned: PlannedStep, context: StepContext): Promise<StepOutcome> {
  const { name, tables, needs, inputs } = planned;
  const missing = (detail: string): StepOutcome => ({
    tables,
    file: undefined,
    step: { name, command: [...planned.command], state: 'missing', seconds: null, detail },
  });
  const absent = inputs.find((path) => !existsSync(path));
  if (absent !== undefined) return missing(`there is no ${absent}`);
  const needed = needs.map((need) => context.outcomes.find(({ step }) => step.name === need)?.file);
  const found = needed.filter((path) => path !== undefined);
  if (found.length < needed.length) return missing(`there is no result of ${needs.join(', ')}`);
  // The result of another step has the digest of what it follows from in its name, which changes with it.
  const command = planned.command.map((word) =>
    needs.reduce((text, need, place) => text.replaceAll(`{${need}}`, found[place]), word),
  );
  return { tables, ...(await madeStep(planned, { ...context, command, files: [...inputs, ...found] })) };
}

interface StepPlace extends StepContext {
  /** The command with the results that it reads in their places. */
  readonly command: string[];
  readonly files: readonly string[];
}

/** Reads the step's result where it is kept, and makes it otherwise. */
async function madeStep(
  { name, result, keep }: PlannedStep,
  { runner, digests, command, files }: StepPlace,
): Promise<Pick<StepOutcome, 'step' | 'file'>> {
  const from = { code: runner.code, command, files: await Promise.all(files.map(digests)) };
  const key = createHash('sha256').update(JSON.stringify(from)).digest('hex').slice(0, 16);
  const place = join('steps', `${name}-${key}`);
  const path = (ending: string) => join(runner.folder, `${place}.${ending}`);
  const isModel = result === 'model';
  const file = result === 'figures' ? join(runner.folder, place) : path(isModel ? 'onnx' : 'json');
  const step = { name, command, ...(!isModel && { page: `${place}.html` }) };
  const before = await readDone(path('done.json'));
  if (before !== undefined && existsSync(file) && before.digest === (await digestOf(file))) {
    return { step: { ...step, state: 'kept', seconds: before.seconds }, file };
  }
  const outputs = ['--out', file, ...(isModel ? [] : ['--html', path('html')])];
  const kept = keep === undefined ? [] : [keep, join(runner.folder, 'parts')];
  const startedAt = performance.now();
  try {
    await runner.runCommand([...command, ...kept, ...outputs]);
  } catch (cause) {
    if (!(cause instanceof GuardError)) throw cause;
    const failed = { name, command, state: 'failed', seconds: null, detail: cause.message } as const;
    return { step: failed, file: undefined };
  }
  const seconds = (performance.now() - startedAt) / 1000;
  const done = { name, command, seconds, digest: await digestOf(file) };
  await runner.write(path('done.json'), `${JSON.stringify(done)}\n`);
  return { step: { ...step, state: 'done', seconds }, file };
}

async function readDone(path: string): Promise<z.infer<typeof doneSchema> | undefined> {
  if (!existsSync(path)) return undefined;
  try {
    return doneSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    // A damaged mark is no mark: the step is made again.
    return undefined;
  }
}

/** Digests of files and folders; each is read once. */
function fileDigests(): (path: string) => Promise<string> {
  const known = new Map<string, Promise<string>>();
  return (path) => {
    const digest = known.get(path) ?? digestOf(path);
    known.set(path, digest);
    return digest;
  };
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  if (!(await stat(path)).isDirectory()) return hash.update(await readFile(path)).digest('hex');
  for (const name of (await readdir(path)).sort()) {
    const inner = join(path, name);
    if ((await stat(inner)).isFile()) hash.update(name).update(await digestOf(inner));
  }
  return hash.digest('hex');
}
