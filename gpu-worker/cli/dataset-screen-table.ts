// `nccr-guard dataset screen-table`: our screening and its baselines over training sets whose poison is known.
import { dirname, resolve } from 'node:path';
import { Command } from 'commander';
import { z } from 'zod';
import { screeningRule } from '../../shared/clustering/screen-class.ts';
import {
  type ScreeningRow,
  type ScreeningTable,
  screeningRowSchema,
} from '../../shared/contracts/screening-table.ts';
import { GuardError } from '../../shared/errors.ts';
import { sha256Digest } from '../../shared/noise/noise-key.ts';
import { type Dataset, datasetDigest } from '../datasets/dataset.ts';
import { layouts } from '../datasets/image-array.ts';
import { loadPoisonedSet } from '../datasets/poisoned-set.ts';
import { createEngine } from '../engine/create-engine.ts';
import type { Engine } from '../engine/engine.ts';
import { type KnownPoisonOptions, screenKnownPoison } from '../evaluate/screen-known-poison.ts';
import { type OwnMethod, ownMethods, settingsInWords } from '../evaluate/screening-methods.ts';
import { screeningTablePage } from '../evaluate/screening-table-page.ts';
import { screeningTableText } from '../evaluate/screening-table-text.ts';
import { addEngineOption, type EngineOption } from './engine-option.ts';
import { keptRow } from './kept-rows.ts';
import { collect, datasetOfOptions, oneOf, positiveInteger, rate } from './options.ts';
import { type ProgressDisplay, progressDisplay } from './progress.ts';
import { readInput, readJson } from './read-file.ts';
import { requireWritable, writeWhole } from './write-file.ts';

/** Revision of what a row says: rows of another one are made again. */
const rowRevision = 1;

const setSchema = z.strictObject({
  name: z.string().min(1).optional(),
  /** ONNX file of the network that was trained on the set. */
  model: z.string().min(1),
  /** `.npz` file: x, y, poison_idx; or y, poison_idx and poison_x over `clean`. */
  set: z.string().min(1),
  layout: z.enum(layouts).default('nchw'),
  /** The clean set that the planted rows belong in, as `--dataset` names one. */
  clean: z
    .strictObject({
      dataset: z.string().min(1),
      layout: z.enum(layouts).default('nchw'),
      /** First and last row, both included. */
      rows: z.tuple([z.int().min(0), z.int().min(0)]).optional(),
    })
    .optional(),
  /** What is planted, such as badnets. */
  trigger: z.string().min(1).optional(),
  /** Whether the planted rows kept their labels. */
  clean_label: z.boolean().default(false),
  /** Lowest and highest valid value of the input. */
  range: z.tuple([z.number(), z.number()]).default([0, 1]),
});
const manifestSchema = z.strictObject({ sets: z.array(setSchema).min(1) });
type SetEntry = z.infer<typeof setSchema>;

interface ScreenTableOptions extends EngineOption {
  readonly keep?: string;
  readonly mode?: OwnMethod;
  readonly only?: readonly string[];
  readonly baselines: boolean;
  readonly seeds: number;
  readonly stripOverlays: number;
  readonly stripFrr: number;
  readonly out?: string;
  readonly html?: string;
  readonly json?: boolean;
}

/** Makes the command. */
export function datasetScreenTableCommand(): Command {
  const command = new Command('screen-table');
  return addEngineOption(command)
    .description('run our screening and its baselines over training sets with known poison')
    .argument('<sets.json>', 'the sets and the models trained on them; its paths are relative to it')
    .option('--keep <folder>', 'keep each row there as it is done, so that a killed run goes on')
    .option('--only <name>', 'a set by its name, may be repeated; all by default', collect)
    .option('--mode <mode>', `ours: ${ownMethods.join(' or ')}; both by default`, oneOf(ownMethods))
    .option('--no-baselines', 'leave the baselines out')
    .option(
      '--seeds <count>',
      'seeds that our verdicts are tried with; on a clean set each draws noise of its own',
      positiveInteger,
      1,
    )
    .option(
      '--strip-overlays <count>',
      'overlays of STRIP for each example; the paper takes 100',
      positiveInteger,
      12,
    )
    .option('--strip-frr <rate>', 'share of clean examples that STRIP may suspect', rate, 0.01)
    .option('--out <file>', 'write the table as JSON')
    .option('--html <file>', 'write the table as one page')
    .option('--json', 'print the table as JSON')
    .addHelpText('after', manifestHelp)
    .action(run);
}

const manifestHelp = `
sets.json is { "sets": [ ... ] } with an object a set:
  model        the ONNX file of the network that was trained on the set
  set          an .npz file: x, y and poison_idx as \`dataset poison\` writes them, or y, poison_idx and poison_x
  clean        where the file has no x: { "dataset": "npz:FILE" or "cifar10:FOLDER", "layout", "rows": [first, last] }
  layout       of its images: nchw (default) or nhwc
  trigger      what is planted, such as badnets; sets of one trigger make one line of the first page
  clean_label  true where the planted rows kept their labels
  name, range  optional`;

async function run(path: string, options: ScreenTableOptions): Promise<void> {
  const entries = await readManifest(path, options.only);
  await requireWritable(options.out, options.html);
  const display = progressDisplay({ quiet: options.json === true });
  const engine = await createEngine({ engine: options.engine });
  try {
    const settings: KnownPoisonOptions = {
      own: options.mode === undefined ? ownMethods : [options.mode],
      baselines: options.baselines,
      seeds: Array.from({ length: options.seeds }, (_, index) => index + 1),
      stripCopies: options.stripOverlays,
      stripFalseRejections: options.stripFrr,
      stripCleanRows: 1000,
      spectralShare: 0.05,
    };
    const rows: ScreeningRow[] = [];
    for (const entry of entries) rows.push(await rowOf(entry, { engine, settings, options, display }));
    display.stop();
    const table: ScreeningTable = {
      format: 'nccr-guard/screening-table',
      format_version: 1,
      device: engine.info.device,
      settings: settingsInWords(settings),
      rows,
    };
    if (options.out !== undefined) await writeWhole(options.out, `${JSON.stringify(table, null, 2)}\n`);
    if (options.html !== undefined) await writeWhole(options.html, await screeningTablePage(table));
    console.log(options.json ? JSON.stringify(table) : screeningTableText(table));
  } finally {
    display.stop();
    await engine.close();
  }
}

interface RowWork {
  readonly engine: Engine;
  readonly settings: KnownPoisonOptions;
  readonly options: ScreenTableOptions;
  readonly display: ProgressDisplay;
}

async function rowOf(
  entry: SetEntry,
  { engine, settings, options, display }: RowWork,
): Promise<ScreeningRow> {
  const name = nameOf(entry);
  const model = await readInput(entry.model);
  const set = await loadPoisonedSet(entry.set, { layout: entry.layout, clean: await cleanOf(entry) });
  if (set.planted.length > 0 && entry.trigger === undefined) {
    throw new GuardError('invalid_config', `${name} has planted rows: say by "trigger" what is planted`);
  }
  const { range, trigger = 'none', clean_label: cleanLabel } = entry;
  const digests = {
    model: await sha256Digest(model),
    set: datasetDigest(set.dataset),
    planted: [...set.planted],
  };
  const names = { name, trigger, cleanLabel };
  return keptRow(
    {
      folder: options.keep,
      name,
      // Another rule says other things of the same vectors.
      from: { rowRevision, screeningRule, runtime: engine.info.id, ...digests, ...names, range, settings },
      schema: screeningRowSchema,
      onDamaged: (detail) => console.error(`nccr-guard: ${detail}`),
    },
    () =>
      screenKnownPoison({ engine, model, set, range }, names, settings, (part, share) =>
        display.onStage(`${name}: ${part}`, share),
      ),
  );
}

function cleanOf({ clean }: SetEntry): Promise<Dataset> | undefined {
  return clean && datasetOfOptions({ split: 'train', ...clean });
}

function nameOf({ name, set }: SetEntry): string {
  return name ?? set.slice(set.lastIndexOf('/') + 1).replace(/\.npz$/, '');
}

/** @throws GuardError `invalid_config` where it is no such list, or a set that is asked for is not in it */
async function readManifest(path: string, only: readonly string[] | undefined): Promise<SetEntry[]> {
  const { sets } = await readJson(path, manifestSchema, 'invalid_config');
  const folder = dirname(path);
  const entries = sets.map((entry) => ({
    ...entry,
    model: resolve(folder, entry.model),
    set: resolve(folder, entry.set),
    clean: entry.clean && { ...entry.clean, dataset: sourceIn(folder, entry.clean.dataset) },
  }));
  const names = entries.map(nameOf);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined)
    throw new GuardError('invalid_config', `${path} has two sets of the name ${twice}`);
  const missing = only?.find((name) => !names.includes(name));
  if (missing !== undefined)
    throw new GuardError('invalid_config', `${path} has no set of the name ${missing}`);
  return entries.filter((entry) => only?.includes(nameOf(entry)) ?? true);
}

/** A source such as npz:FILE with its path taken from the list's folder. */
function sourceIn(folder: string, source: string): string {
  const colon = source.indexOf(':');
  return `${source.slice(0, colon + 1)}${resolve(folder, source.slice(colon + 1))}`;
}
