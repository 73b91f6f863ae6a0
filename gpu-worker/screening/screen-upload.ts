// A whole data set on disk: extraction, clustering and the report, by the functions that a screening job runs.
import packageJson from '../../package.json' with { type: 'json' };
import type { ClassExamples, ScreenedClass } from '../../shared/clustering/screen-class.ts';
import {
  type ClassSource,
  classSourceOfRows,
  screenClusters,
} from '../../shared/clustering/screen-clusters.ts';
import { projectedNeurons } from '../../shared/contracts/extraction.ts';
import { outlierRowsOf, type Screening } from '../../shared/contracts/screening.ts';
import type { ScreeningReport, Thumbnail } from '../../shared/contracts/screening-report.ts';
import { shardExamplesMax } from '../../shared/limits.ts';
import { concatenateFloats, elementCount } from '../../shared/maths/tensor.ts';
import { classPicture } from '../../shared/screening-report/class-picture.ts';
import { composeReport } from '../../shared/screening-report/compose-report.ts';
import { addPicture, chosenPictures, emptyGallery } from '../../shared/screening-report/picture-gallery.ts';
import { screeningTruth } from '../../shared/screening-report/screening-truth.ts';
import { thumbnail } from '../../shared/screening-report/thumbnail.ts';
import { thumbnailRows } from '../../shared/screening-report/thumbnail-rows.ts';
import { describeUpload } from '../../shared/uploads/describe-upload.ts';
import { readUpload } from '../../shared/uploads/read-upload.ts';
import type { ExampleBatch, UploadOptions, UploadSummary } from '../../shared/uploads/upload.ts';
import { type UploadSource, uploadDigest } from '../datasets/upload-source.ts';
import type { ExampleExtractor } from './example-extractor.ts';

/** What is screened, and how. */
export interface ScreenUploadOptions {
  readonly source: UploadSource;
  readonly extractor: ExampleExtractor;
  readonly seed: number;
  /** Of npz files alone. */
  readonly layout?: UploadOptions['layout'] | undefined;
  readonly arrays?: UploadOptions['arrays'] | undefined;
  /** Rows that are known to be poison: the report then says how many were found. */
  readonly planted?: readonly number[] | undefined;
  /** Called with a stage and the share of it that is done. */
  readonly onStage?: (stage: string, share: number) => void;
}

/** What was found. */
export interface ScreenedUpload {
  readonly report: ScreeningReport;
  readonly summary: UploadSummary;
}

/** The examples of a data set, by the rows that they have there. */
interface ExtractedUpload {
  readonly classSource: ClassSource;
  readonly labels: Int32Array;
  readonly summary: UploadSummary;
}

/**
 * Screens a data set. Memory grows with its vectors, never with its images.
 *
 * The report names no time: the same files, model, seed and noise key give the same bytes.
 * @throws GuardError `invalid_dataset` or `body_too_large` where it cannot be read, or says nothing
 */
export async function screenUpload(options: ScreenUploadOptions): Promise<ScreenedUpload> {
  const { source, extractor, seed, planted, onStage } = options;
  const { compiled, compiledDigest } = extractor;
  const { classSource, labels, summary } = await extractUpload(options);
  const gallery = emptyGallery();
  const judged = { count: 0 };
  const screening = await screenClusters(classSource, {
    seed,
    onClass(screened: ScreenedClass, { rows }: ClassExamples) {
      addPicture(gallery, screened.verdict, classPicture(screened, { seed, rows }));
      onStage?.('judging classes', ++judged.count / classSource.labels.length);
    },
  });
  const { model, screening: mode = 'nccr' } = compiled;
  const projectedFrom = projectedNeurons(compiled.plan);
  const pictures = chosenPictures(gallery);
  const report = composeReport({
    dataset: {
      name: source.name,
      format: source.format,
      digest: await uploadDigest(source.files),
      ...(summary.classNames && { class_names: [...summary.classNames] }),
    },
    model: { name: model.name, digest: model.digest, compiled_digest: compiledDigest },
    mode,
    ...(projectedFrom !== undefined && { projection: { from: projectedFrom, to: extractor.neurons } }),
    versions: { 'nccr-guard': packageJson.version },
    screening,
    pictures,
    ...(await shownExamples({ screening, pictures }, options)),
    ...(planted && { truth: screeningTruth(screening, { rows: planted, labels }) }),
  });
  return { report, summary };
}

/** How the readers of uploads are to read the source for this model. */
export function readOptions({
  source,
  extractor,
  layout,
  arrays,
}: Pick<ScreenUploadOptions, 'source' | 'extractor' | 'layout' | 'arrays'>): UploadOptions {
  const { model, plan } = extractor.compiled;
  const { format, cifarClasses } = source;
  const [channels, height, width] = model.input_shape;
  return {
    format,
    batch: shardExamplesMax,
    classes: model.classes,
    shape: [channels, height, width],
    pixelRange: plan.input_range,
    ...(layout && { layout }),
    ...(arrays && { arrays }),
    ...(cifarClasses && { cifarClasses }),
  };
}

async function extractUpload(options: ScreenUploadOptions): Promise<ExtractedUpload> {
  const { source, extractor, onStage } = options;
  const reading = readOptions(options);
  const { examples } = await describeUpload(source.files, reading);
  const vectors: Float32Array[] = [];
  const runnersUp: number[] = [];
  const labels: number[] = [];
  const work = async (batch: ExampleBatch) => {
    const extracted = await extractor.extract(batch);
    vectors.push(extracted.vectors);
    for (const label of extracted.runnersUp) runnersUp.push(label);
    for (const label of batch.labels) labels.push(label);
    onStage?.('extracting', Math.min(1, labels.length / examples));
  };
  const batches = readUpload(source.files, reading);
  let previous = Promise.resolve();
  for (;;) {
    // The next batch is read while one is extracted.
    const { done, value } = await batches.next();
    await previous;
    if (done) {
      const { classes } = extractor.compiled.model;
      const set = {
        vectors: concatenateFloats(vectors),
        runnersUp: Int32Array.from(runnersUp),
        labels,
        classes,
      };
      return { classSource: classSourceOfRows(set), labels: Int32Array.from(labels), summary: value };
    }
    previous = work(value);
    // Awaited in the next turn: till then a failure is not an unheard one.
    previous.catch(() => {});
  }
}

/**
 * Small images of the likeliest suspects and of some examples beside them, and the names of all suspects that came as files; the
 * set is read once more for them.
 */
async function shownExamples(
  { screening, pictures }: Pick<ScreeningReport, 'screening' | 'pictures'>,
  options: ScreenUploadOptions,
): Promise<Pick<ScreeningReport, 'thumbnails' | 'suspect_files'>> {
  const { source, extractor, onStage } = options;
  const pictured = new Set(thumbnailRows(screening, pictures));
  const suspects = suspectRows(screening);
  const thumbnails: Thumbnail[] = [];
  const names: { row: number; name: string }[] = [];
  const named = new Set([...suspects, ...screening.verdicts.flatMap(outlierRowsOf)]);
  if (named.size === 0) return { thumbnails };
  const inputRange = extractor.compiled.plan.input_range;
  for await (const batch of readUpload(source.files, readOptions(options))) {
    for (let place = 0; place < batch.labels.length; place++) {
      const row = batch.firstRow + place;
      const name = batch.names?.[place] ?? batch.files?.[place].name;
      if (name !== undefined && named.has(row)) names.push({ row, name });
      const image = pictured.has(row) ? thumbnail(row, imageOf(batch, { place, inputRange })) : undefined;
      if (image !== undefined) thumbnails.push(image);
    }
    onStage?.('showing suspects', (batch.firstRow + batch.labels.length) / screening.examples);
  }
  return { thumbnails, ...(source.format === 'tar' && { suspect_files: names }) };
}

/** Rows of all suspects of a screening. */
export function suspectRows({ verdicts }: Pick<Screening, 'verdicts'>): Set<number> {
  const poisoned = verdicts.filter((verdict) => verdict.verdict === 'poisoned');
  return new Set(poisoned.flatMap(({ suspects }) => suspects.map(({ row }) => row)));
}

function imageOf(
  { files, pixels }: ExampleBatch,
  { place, inputRange }: { place: number; inputRange: readonly [number, number] },
) {
  if (files !== undefined) return { bytes: files[place].bytes };
  const { shape, data } = pixels!;
  const size = elementCount(shape);
  return { shape, data: data.subarray(place * size, (place + 1) * size), inputRange };
}
