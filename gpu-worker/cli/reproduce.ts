// `nccr-guard reproduce`: every table of the paper over a data folder, beside the paper's figures, and resumed where it was killed.
import { mkdir, readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { type Reproduction, reproductionSchema } from '../../shared/contracts/reproduction.ts';
import { GuardError } from '../../shared/errors.ts';
import { codeDigest } from '../reproduce/code-digest.ts';
import { poisonedManifest } from '../reproduce/poisoned-manifest.ts';
import { reproducedTables, tableIds } from '../reproduce/reproduced-tables.ts';
import { reproductionPage } from '../reproduce/reproduction-page.ts';
import { reproductionSteps } from '../reproduce/reproduction-steps.ts';
import { reproductionText } from '../reproduce/reproduction-text.ts';
import { runSteps, type StepOutcome } from '../reproduce/run-steps.ts';
import { fullSizes, quickSizes, sizesOfAtMost } from '../reproduce/sizes.ts';
import { collect, oneOf, positiveInteger } from './options.ts';
import { writeWhole } from './write-file.ts';

interface ReproduceOptions {
  readonly out: string;
  readonly quick?: boolean;
  readonly only?: readonly string[];
  readonly imagesMax?: number;
}

/** Makes the command. @param runCommand runs a command of this program by its words */
export function reproduceCommand(runCommand: (words: readonly string[]) => Promise<void>): Command {
  const isTable = oneOf(tableIds);
  return new Command('reproduce')
    .description(
      'measure every table of the paper over a data folder, beside the paper’s figures; a killed run goes on',
    )
    .argument('<folder>', 'with data/ and models/; what is not there is left out, and said')
    .option('--out <folder>', 'where the report and all that is kept goes', '.data/reproduction')
    .option('--quick', 'few images and one seed: under ten minutes on two cores')
    .option(
      '--only <table>',
      `a table or figures, may be repeated: ${tableIds.join(', ')}; all by default`,
      (text: string, before?: string[]) => collect(isTable(text), before),
    )
    .option('--images-max <count>', 'so many images at most in each place', positiveInteger)
    .action((folder: string, options: ReproduceOptions) => run(folder, options, runCommand));
}

async function run(
  given: string,
  options: ReproduceOptions,
  runCommand: (words: readonly string[]) => Promise<void>,
): Promise<void> {
  const folder = resolve(given);
  const out = resolve(options.out);
  await mkdir(join(out, 'steps'), { recursive: true });
  const chosen = options.quick ? quickSizes : fullSizes;
  const sizes = options.imagesMax === undefined ? chosen : sizesOfAtMost(chosen, options.imagesMax);
  const manifest = join(out, 'poisoned-sets.json');
  await writeWhole(manifest, `${JSON.stringify(await poisonedManifest(folder), null, 1)}\n`);
  const ids = options.only ?? tableIds;
  const steps = reproductionSteps(folder, { sizes, manifest }).filter(({ tables }) =>
    tables.some((table) => ids.includes(table)),
  );
  const code = await codeDigest();
  const outcomes = await runSteps(steps, {
    folder: out,
    code,
    runCommand,
    write: writeWhole,
    onStep: (message) => console.error(message),
  });
  const reproduction: Reproduction = reproductionSchema.parse({
    format: 'nccr-guard/reproduction',
    format_version: 1,
    created_at: new Date().toISOString(),
    quick: options.quick === true,
    code,
    machine: `${cpus()[0].model}, ${cpus().length} cores, Node ${process.versions.node}`,
    tables: await reproducedTables(ids, outcomes),
  });
  const text = reproductionText(reproduction);
  await writeWhole(join(out, 'reproduction.json'), `${JSON.stringify(reproduction, null, 1)}\n`);
  await writeWhole(join(out, 'reproduction.txt'), `${text}\n`);
  const svgs = await drawnFigures(out, reproduction);
  const page = await reproductionPage(reproduction, (path) => svgs.get(path)!);
  await writeWhole(join(out, 'reproduction.html'), page);
  console.log(text);
  console.log(`wrote ${join(out, 'reproduction.html')}`);
  requireResults(outcomes);
}

/** The figures by their paths. */
async function drawnFigures(out: string, { tables }: Reproduction): Promise<Map<string, string>> {
  const paths = tables.flatMap(({ figures }) => figures.map(({ path }) => path));
  const texts = await Promise.all(paths.map((path) => readFile(join(out, path), 'utf8')));
  return new Map(paths.map((path, index) => [path, texts[index]]));
}

/** A step that failed, or nothing at all, is no reproduction. */
function requireResults(outcomes: readonly StepOutcome[]): void {
  const steps = outcomes.map(({ step }) => step);
  const failed = steps.filter(({ state }) => state === 'failed').map(({ name }) => name);
  if (failed.length > 0) throw new GuardError('conflict', `without a result: ${failed.join(', ')}`);
  if (steps.every(({ state }) => state === 'missing')) {
    throw new GuardError('not_found', 'the folder has the data of no step: name one with data/ and models/');
  }
}
