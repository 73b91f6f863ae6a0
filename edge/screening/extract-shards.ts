// Third step: the vectors of some shards, asked of the gpu-worker and laid down class by class.
import { runnerUpLabels } from '../../shared/clustering/runner-up.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import { screeningNoise } from '../../shared/noise/screening-plan.ts';
import { selectRows } from '../../shared/noise/select-rows.ts';
import { packByteElements } from '../../shared/oip/byte-elements.ts';
import { writeBlocks } from '../../shared/screening/class-blocks.ts';
import { readShard } from '../../shared/uploads/shard.ts';
import type { ExampleBatch } from '../../shared/uploads/upload.ts';
import type { ExtractedVectors, ScreeningCall, ScreeningGraph } from '../clients/screening-extractor.ts';
import { objectKeys } from './job-objects.ts';
import type { JobHold } from './job-store.ts';
import type { StepRange } from './plan-steps.ts';
import { requireGraph } from './require-graph.ts';
import type { ScreeningServices } from './screening-services.ts';

/** Longest that one shard may take; the lease of a run is longer. */
const shardMs = 120_000;

/** Extracts the shards of a group that are not extracted yet. */
export async function extractShards(
  hold: JobHold,
  { group, services }: { group: StepRange; services: ScreeningServices },
): Promise<{ shards: number }> {
  const { jobs, shards, objects } = services;
  const graph = await requireGraph(hold, jobs);
  for (const { shard, extractedAt } of await shards.list(hold.job, group)) {
    if (extractedAt !== null) continue;
    const batch = readShard(await objects.read(objectKeys.shard(hold.job, shard)));
    const { logits, vectors } = await extractBatch(batch, { graph, services });
    const { labels, firstRow } = batch;
    const runnersUp = runnerUpLabels({ logits, labels, classes: graph.classes });
    const rows = Uint32Array.from(labels, (_, place) => firstRow + place);
    await objects.write(
      objectKeys.vectors(hold.job, shard),
      writeBlocks({ labels, rows, runnersUp, vectors }),
    );
    // Between shards a cancelled job is seen.
    await jobs.keep(hold, {}, [shards.markExtracted(hold.job, shard)]);
  }
  return { shards: group.to - group.from };
}

/** Extracts a shard at once; what an example gives does not depend on the others. */
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
  const deadlineAt = Date.now() + shardMs;
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
