// The vectors of shards, asked of the gpu-worker and laid down class by class: the third step, and beside the second as it reads.
import { runnerUpLabels } from '../../shared/clustering/runner-up.ts';
import { asGuardError } from '../../shared/errors.ts';
import { shardExamplesMax } from '../../shared/limits.ts';
import { log } from '../../shared/log.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import { screeningNoise } from '../../shared/noise/screening-plan.ts';
import { selectRows } from '../../shared/noise/select-rows.ts';
import { packByteElements } from '../../shared/oip/byte-elements.ts';
import { writeBlocks } from '../../shared/screening/class-blocks.ts';
import type { ExampleBatch, ExamplePixels } from '../../shared/uploads/upload.ts';
import type { ExtractedVectors, ScreeningCall, ScreeningGraph } from '../clients/screening-extractor.ts';
import { objectKeys } from './job-objects.ts';
import { type JobHold, JobLost } from './job-store.ts';
import { extractionsAtOnce, type StepRange } from './plan-steps.ts';
import { requireGraph } from './require-graph.ts';
import type { ScreeningServices } from './screening-services.ts';
import type { ShardRows } from './shard-rows.ts';

/** Longest that one request may take; the lease of a run is longer. */
const requestMs = 120_000;

/** How long a run that extracts a large shard says nothing. */
const silenceMs = 10_000;

/** Shards that may fail beside the reading of an upload before all others are left to the third step. */
const failuresMax = 3;

/** How long the reading waits for room to extract a shard, and how often: together a minute, a tenth of what a step may take. */
const pauseMs = 100;
const pausesMax = 600;

/** Extracts the shards of a group that are not extracted yet. */
export async function extractShards(
  hold: JobHold,
  { group, rows, services }: { group: StepRange; rows: ShardRows; services: ScreeningServices },
): Promise<{ shards: number }> {
  const { jobs, shards } = services;
  const graph = await requireGraph(hold, jobs);
  for (const stored of await shards.list(hold.job, group)) {
    if (stored.extractedAt !== null) continue;
    const batch = await rows.read(stored);
    await extractShard(hold, { shard: stored.shard, batch, graph, services });
  }
  return { shards: group.to - group.from };
}

/** A shard in memory, and what extracts it. */
interface ShardExtraction {
  readonly shard: number;
  readonly batch: ExampleBatch;
  readonly graph: ScreeningGraph;
  readonly services: ScreeningServices;
}

/** Extracts one shard that can be read again, a request after the other, and marks it. */
async function extractShard(
  hold: JobHold,
  { shard, batch, graph, services }: ShardExtraction,
): Promise<void> {
  const { jobs, shards, objects } = services;
  const { labels, firstRow } = batch;
  const rows = Uint32Array.from(labels, (_, place) => firstRow + place);
  const runnersUp = new Int32Array(labels.length);
  const vectors = new Float32Array(labels.length * graph.neurons);
  let heardAt = Date.now();
  for (let from = 0; from < labels.length; from += shardExamplesMax) {
    const part = batchPart(batch, { from, to: from + shardExamplesMax });
    const extracted = await extractBatch(part, { graph, services });
    const { logits } = extracted;
    runnersUp.set(runnerUpLabels({ logits, labels: part.labels, classes: graph.classes }), from);
    vectors.set(extracted.vectors, from * graph.neurons);
    if (Date.now() - heardAt < silenceMs) continue;
    await jobs.keep(hold);
    heardAt = Date.now();
  }
  await objects.write(objectKeys.vectors(hold.job, shard), writeBlocks({ labels, rows, runnersUp, vectors }));
  // Between shards a cancelled job is seen.
  await jobs.keep(hold, {}, [shards.markExtracted(hold.job, shard)]);
}

/** Extraction beside the reading of an upload. */
export interface ExtractionBeside {
  /** Takes a shard that was just read and written, where there is room; else it is left to the third step. Does not wait for it. */
  offer(shard: number, batch: ExampleBatch): Promise<void>;
  /** Waits for what was taken. */
  settled(): Promise<void>;
}

/**
 * Extracts shards out of memory while others are read, so that the gpu-worker has work from the first one on. It decides nothing:
 * a shard that fails here is tried by the third step, which says what is wrong with it.
 */
export function extractionBeside(
  hold: JobHold,
  { graph, services }: Pick<ShardExtraction, 'graph' | 'services'>,
): ExtractionBeside {
  const atWork = new Set<Promise<void>>();
  let failures = 0;
  let pauses = 0;
  return {
    async offer(shard, batch) {
      // A bucket in this very process, as Miniflare's is, is always ready with its next answer: without pauses those of the
      // gpu-worker would be heard when the last shard is written.
      if (atWork.size > 0 && pauses < pausesMax) {
        pauses++;
        const isFull = atWork.size >= extractionsAtOnce;
        const pause = new Promise((resolve) => setTimeout(resolve, isFull ? pauseMs : 0));
        await Promise.race([pause, ...(isFull ? atWork : [])]);
      }
      if (failures >= failuresMax || atWork.size >= extractionsAtOnce) return;
      const work = extractShard(hold, { shard, batch, graph, services })
        .catch((thrown: unknown) => {
          failures++;
          if (thrown instanceof JobLost) return;
          const error = asGuardError(thrown);
          log('warn', 'screening.left_to_step', { job: hold.job, shard, error });
        })
        .finally(() => atWork.delete(work));
      atWork.add(work);
    },
    async settled() {
      await Promise.all(atWork);
    },
  };
}

/** Some of the examples of a batch, as views of it. */
function batchPart(
  { firstRow, labels, pixels, files }: ExampleBatch,
  { from, to }: StepRange,
): Pick<ExampleBatch, 'firstRow' | 'labels' | 'pixels' | 'files'> {
  const common = { firstRow: firstRow + from, labels: labels.subarray(from, to) };
  if (files !== undefined) return { ...common, files: files.slice(from, to) };
  const size = elementCount(pixels!.shape);
  return {
    ...common,
    pixels: { ...pixels!, data: pixels!.data.subarray(from * size, to * size) } as ExamplePixels,
  };
}

/** Extracts a request's examples; what an example gives does not depend on the others. */
async function extractBatch(
  batch: ExampleBatch,
  { graph, services }: { graph: ScreeningGraph; services: ScreeningServices },
): Promise<ExtractedVectors> {
  const { mode, inputShape } = graph;
  // The range is of no matter to which rows are selected.
  const noise = screeningNoise({ mode, range: [0, 1], inputSize: elementCount(inputShape) });
  const selections = await Promise.all(
    Array.from(batch.labels, (_, place) =>
      selectRows(services.noiseKey, { noise }, exampleBytes(batch, place)),
    ),
  );
  const examples = exampleTensor(batch);
  const deadlineAt = Date.now() + requestMs;
  return services.extractor.extract({ graph, examples, firstRow: batch.firstRow, selections, deadlineAt });
}

/** The bytes of one example as they are sent: they select its noise. */
function exampleBytes({ pixels, files }: ExampleBatch, place: number): Uint8Array {
  if (files !== undefined) return files[place].bytes;
  const size = elementCount(pixels!.shape);
  const { buffer, byteOffset, byteLength } = pixels!.data.subarray(place * size, (place + 1) * size);
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function exampleTensor({ labels, pixels, files }: ExampleBatch): ScreeningCall['examples'] {
  if (files !== undefined) {
    const data = packByteElements(files.map(({ bytes }) => bytes));
    return { datatype: 'BYTES', shape: [labels.length], data };
  }
  const { datatype, shape, data } = pixels!;
  return { datatype, shape: [labels.length, ...shape], data };
}
