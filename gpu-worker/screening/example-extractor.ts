// A model compiled for screening, in memory: batches of examples in, what screening clusters out.
import { createHash } from 'node:crypto';
import { runnerUpLabels } from '../../shared/clustering/runner-up.ts';
import { type CompiledModel, compiledTensors } from '../../shared/contracts/extraction.ts';
import type { ScreeningMode } from '../../shared/contracts/screening.ts';
import { elementCount, float32Tensor, int64Tensor } from '../../shared/maths/tensor.ts';
import { importNoiseKey, type NoiseKey, sha256Digest } from '../../shared/noise/noise-key.ts';
import { screeningNoise } from '../../shared/noise/screening-plan.ts';
import { selectRows } from '../../shared/noise/select-rows.ts';
import { packByteElements } from '../../shared/oip/byte-elements.ts';
import type { ExampleBatch } from '../../shared/uploads/upload.ts';
import type { Engine } from '../engine/engine.ts';
import { type PartFeeds, runParts } from '../engine/run-parts.ts';
import { compileModel } from '../extraction/compile-model.ts';
import { planScreening } from '../extraction/plan-screening.ts';
import { imageRows } from '../images/image-rows.ts';
import { loadCompiledModel } from '../served-model.ts';

/** How a model reads examples. */
export interface ExtractorOptions {
  readonly engine: Engine;
  /** Name of the model in the report. */
  readonly name: string;
  readonly mode: ScreeningMode;
  /** Lowest and highest valid value of the model's input. */
  readonly range: readonly [number, number];
  /** Of the noise where no key is given. */
  readonly seed: number;
  /** Key of a deployment: its screenings have the same noise. */
  readonly noiseKey?: NoiseKey | undefined;
  /** Tensor that is read in place of the penultimate layer. */
  readonly layer?: string | undefined;
  /** Name of the logits where the model has several outputs and none is called `logits`. */
  readonly output?: string | undefined;
}

/** What was extracted of a batch. */
export interface ExtractedExamples {
  /** Row-major [rows, neurons]. */
  readonly vectors: Float32Array;
  /** [rows]. */
  readonly runnersUp: Int32Array;
}

/** A model ready to be screened through. */
export interface ExampleExtractor {
  readonly compiled: CompiledModel;
  readonly compiledDigest: string;
  readonly neurons: number;
  /**
   * Extracts a batch; which rows stand beside an example changes nothing.
   * @throws GuardError that names the example where one cannot be read or a logit is not a number
   */
  extract(batch: ExampleBatch): Promise<ExtractedExamples>;
}

/**
 * Compiles and loads a model for screening. Its graph is never written: only who runs it knows its noise.
 * @throws GuardError `invalid_model` where it cannot screen
 */
export async function exampleExtractor(
  model: Uint8Array,
  options: ExtractorOptions,
): Promise<ExampleExtractor> {
  const { engine, name, mode, range, layer, output } = options;
  const noiseKey = options.noiseKey ?? (await seededKey(options.seed));
  const plan = await planScreening(model, { engine, mode, range, layer, output });
  const named = { name, plan, noiseKey, engine, screening: mode, ...(output !== undefined && { output }) };
  const { bytes, compiled } = await compileModel(model, named);
  const { loaded, intake } = await loadCompiledModel(engine, bytes);
  const { input_shape: inputShape, classes } = compiled.model;
  const noise = screeningNoise({ mode, range, inputSize: elementCount(inputShape) });
  const [tap] = plan.taps;
  return {
    compiled,
    compiledDigest: await sha256Digest(bytes),
    neurons: 'neurons' in tap ? tap.neurons : 0,
    async extract(batch) {
      const { labels } = batch;
      const rows = labels.length;
      const feeds: PartFeeds = {
        [compiledTensors.input]: await imageRows(exampleTensor(batch), {
          ...intake!,
          rowsMax: rows,
          where: batchName(batch),
          nameOf: (row) => exampleName(batch, row),
        }),
        ...(noise.length > 0 && (await noiseFeeds(batch, { noiseKey, noise }))),
      };
      const { partRows, inFlight } = intake!;
      const outputs = await runParts(loaded, feeds, { rows, partRows, inFlight });
      const logits = ownLogits(outputs[compiledTensors.logits].data as Float32Array, { rows, classes });
      return {
        vectors: outputs[compiledTensors.changes].data as Float32Array,
        runnersUp: runnerUpLabels({ logits, labels, classes }),
      };
    },
  };
}

/** A key that is a function of the seed, so that a screening can be repeated. */
async function seededKey(seed: number): Promise<NoiseKey> {
  return importNoiseKey(createHash('sha256').update(`nccr-guard/screening/${seed}`).digest());
}

function exampleTensor({ labels, pixels, files }: ExampleBatch) {
  const name = compiledTensors.input;
  if (files === undefined) {
    const { datatype, shape, data } = pixels!;
    return { name, datatype, shape: [labels.length, ...shape], data };
  }
  const data = packByteElements(files.map(({ bytes }) => bytes));
  return { name, datatype: 'BYTES' as const, shape: [labels.length], data };
}

/** Rows and signs by the bytes of each example as an upload has them, so that a job selects the same. */
async function noiseFeeds(
  batch: ExampleBatch,
  { noiseKey, noise }: { noiseKey: NoiseKey; noise: ReturnType<typeof screeningNoise> },
): Promise<PartFeeds> {
  const count = batch.labels.length;
  const selections = await Promise.all(
    Array.from({ length: count }, (_, row) => selectRows(noiseKey, { noise }, exampleBytes(batch, row))),
  );
  const shape = [count, selections[0].rows.length];
  const signs = Float32Array.from(selections.flatMap((selection) => selection.signs));
  return {
    [compiledTensors.noiseRows]: int64Tensor(
      selections.flatMap((selection) => selection.rows),
      shape,
    ),
    [compiledTensors.noiseSigns]: float32Tensor(signs, shape),
  };
}

function exampleBytes({ pixels, files }: ExampleBatch, row: number): Float32Array | Uint8Array {
  if (files !== undefined) return files[row].bytes;
  const size = elementCount(pixels!.shape);
  return pixels!.data.subarray(row * size, (row + 1) * size);
}

/** The logits of the examples themselves, which stand before those of their copies. */
function ownLogits(logits: Float32Array, { rows, classes }: { rows: number; classes: number }): Float32Array {
  const width = logits.length / rows;
  const own = new Float32Array(rows * classes);
  for (let row = 0; row < rows; row++) {
    own.set(logits.subarray(row * width, row * width + classes), row * classes);
  }
  return own;
}

function batchName({ firstRow, labels }: ExampleBatch): string {
  return `examples ${firstRow} to ${firstRow + labels.length - 1}`;
}

function exampleName({ firstRow, files, names }: ExampleBatch, row: number): string {
  const file = files?.[row].name ?? names?.[row];
  return `example ${firstRow + row}${file === undefined ? '' : ` (${file})`}`;
}
