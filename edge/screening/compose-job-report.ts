// Last step: the verdicts become a report, as JSON, CSV and a page.
import packageJson from '../../package.json' with { type: 'json' };
import { assert } from '../../shared/assert.ts';
import { composeScreening } from '../../shared/clustering/screen-clusters.ts';
import { type ClassVerdict, outlierRowsOf, type Screening } from '../../shared/contracts/screening.ts';
import type { ClassPicture, ScreeningReport, Thumbnail } from '../../shared/contracts/screening-report.ts';
import { composeReport } from '../../shared/screening-report/compose-report.ts';
import { addPicture, chosenPictures, emptyGallery } from '../../shared/screening-report/picture-gallery.ts';
import { reportJson } from '../../shared/screening-report/report-json.ts';
import { screeningPage } from '../../shared/screening-report/screening-page.ts';
import { suspectsCsv } from '../../shared/screening-report/suspects-csv.ts';
import { thumbnail } from '../../shared/screening-report/thumbnail.ts';
import { thumbnailRows } from '../../shared/screening-report/thumbnail-rows.ts';
import type { ExampleBatch } from '../../shared/uploads/upload.ts';
import { objectKeys } from './job-objects.ts';
import type { JobHold, StoredJob } from './job-store.ts';
import type { JudgedClass } from './judge-classes.ts';
import { planJudging } from './plan-steps.ts';
import { requireJob } from './require-graph.ts';
import type { ScreeningServices } from './screening-services.ts';
import type { ShardRows } from './shard-rows.ts';
import type { StoredShard } from './shard-store.ts';

/**
 * Composes the report and completes the job. It names no job and no time: the same upload, model and options give the same bytes.
 */
export async function composeJobReport(
  hold: JobHold,
  { rows, services }: { rows: ShardRows; services: ScreeningServices },
): Promise<{ poisoned: number }> {
  const { jobs, shards, objects } = services;
  await jobs.keep(hold, { stage: 'report' });
  const job = await requireJob(hold, jobs);
  const { graph, request, datasetDigest, classNames } = job;
  assert(graph !== null && datasetDigest !== null, 'a job that is judged has its graph and its digest');
  const verdicts: ClassVerdict[] = [];
  const gallery = emptyGallery();
  const groups = planJudging(await shards.classes(hold.job), graph.neurons);
  for (const group of groups.keys()) {
    const judged = await readJson<JudgedClass[]>(objectKeys.verdicts(hold.job, group), services);
    for (const { verdict, picture } of judged) {
      verdicts.push(verdict);
      addPicture(gallery, verdict, picture);
    }
  }
  const screening = composeScreening(verdicts, { classes: graph.classes, seed: request.options.seed });
  const pictures = chosenPictures(gallery);
  const shown = await shownExamples(job, { screening, pictures, rows, services });
  const report = composeReport({
    dataset: {
      name: request.dataset ?? 'upload',
      format: request.format,
      digest: datasetDigest,
      ...(classNames === null ? {} : { class_names: [...classNames] }),
    },
    model: { name: graph.model, digest: graph.modelDigest, compiled_digest: graph.compiledDigest },
    mode: graph.mode,
    ...(graph.projectedFrom === undefined
      ? {}
      : { projection: { from: graph.projectedFrom, to: graph.neurons } }),
    versions: { 'nccr-guard': packageJson.version },
    screening,
    pictures,
    ...shown,
  });
  await jobs.keep(hold);
  await objects.write(objectKeys.report(hold.job, 'json'), reportJson(report));
  await objects.write(objectKeys.report(hold.job, 'csv'), suspectsCsv(report));
  await objects.write(objectKeys.report(hold.job, 'html'), await screeningPage(report));
  const suspects = screening.verdicts.reduce(
    (sum, each) => sum + (each.verdict === 'poisoned' ? each.suspects.length : 0),
    0,
  );
  await jobs.keep(hold, { state: 'completed', stage: null, poisoned: screening.poisoned, suspects });
  return { poisoned: screening.poisoned.length };
}

interface ShownFrom {
  readonly screening: Screening;
  readonly pictures: readonly ClassPicture[];
  readonly rows: ShardRows;
  readonly services: ScreeningServices;
}

/** Small images of the likeliest suspects and of some examples beside them, and the names of all suspects that came as files. */
async function shownExamples(
  { id, request, graph }: StoredJob,
  { screening, pictures, rows: shardRows, services }: ShownFrom,
): Promise<Pick<ScreeningReport, 'thumbnails' | 'suspect_files'>> {
  const inputRange = request.options.pixel_range ?? graph?.inputRange ?? ([0, 1] as const);
  const pictured = new Set(thumbnailRows(screening, pictures));
  const suspects = screening.verdicts.flatMap((each) => (each.verdict === 'poisoned' ? each.suspects : []));
  const outliers = screening.verdicts.flatMap(outlierRowsOf);
  if (suspects.length === 0 && outliers.length === 0) return { thumbnails: [] };
  const named = new Set(request.format === 'tar' ? [...suspects.map(({ row }) => row), ...outliers] : []);
  const wanted = new Set([...pictured, ...named]);
  const thumbnails: Thumbnail[] = [];
  const names: { row: number; name: string }[] = [];
  for (const shard of await services.shards.list(id)) {
    const rows = rowsWithin(wanted, shard);
    if (rows.length === 0) continue;
    const batch = await shardRows.read(shard);
    for (const row of rows) {
      const place = row - batch.firstRow;
      const name = batch.names?.[place] ?? batch.files?.[place].name;
      if (name !== undefined && named.has(row)) names.push({ row, name });
      const image = pictured.has(row) ? thumbnail(row, imageOf(batch, { place, inputRange })) : undefined;
      if (image !== undefined) thumbnails.push(image);
    }
  }
  return { thumbnails, ...(request.format === 'tar' ? { suspect_files: names } : {}) };
}

function rowsWithin(
  wanted: ReadonlySet<number>,
  { firstRow, examples }: Pick<StoredShard, 'firstRow' | 'examples'>,
): number[] {
  const rows: number[] = [];
  for (let row = firstRow; row < firstRow + examples; row++) if (wanted.has(row)) rows.push(row);
  return rows;
}

function imageOf(
  { files, pixels }: ExampleBatch,
  { place, inputRange }: { place: number; inputRange: readonly [number, number] },
) {
  if (files !== undefined) return { bytes: files[place].bytes };
  const { shape, data } = pixels!;
  const size = shape[0] * shape[1] * shape[2];
  return { shape, data: data.subarray(place * size, (place + 1) * size), inputRange };
}

async function readJson<T>(key: string, { objects }: ScreeningServices): Promise<T> {
  return JSON.parse(new TextDecoder().decode(await objects.read(key))) as T;
}
