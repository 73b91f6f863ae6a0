// What an upload is: its files, how they are to be read, and the batches of examples that come out.
import type { UploadFormat } from '../contracts/screening-job.ts';
import { GuardError } from '../errors.ts';
import {
  archiveEntriesMax,
  entryNameCharactersMax,
  exampleBytesMax,
  inflatedBytesMax,
  inflationFreeBytes,
  inflationRatioMax,
  shardBytesMax,
  uploadClassesMax,
  uploadExamplesMax,
} from '../limits.ts';
import type { ByteSource } from './byte-source.ts';

/**
 * One file of an upload; those of `tar`, `cifar-binary` and `idx` may be gzipped. `idx` has two, in any order; `cifar-binary` one or more, in this order; the others
 * one.
 */
export interface UploadFile {
  /** What to call it in errors. */
  readonly name: string;
  readonly source: ByteSource;
}

/** Height, width and channels as every batch has them: [C, H, W]. */
export type ImageShape = readonly [channels: number, height: number, width: number];

/** Images as numbers, row-major [R, C, H, W]. */
export type ExamplePixels =
  | { readonly shape: ImageShape; readonly datatype: 'UINT8'; readonly data: Uint8Array<ArrayBuffer> }
  | { readonly shape: ImageShape; readonly datatype: 'FP32'; readonly data: Float32Array<ArrayBuffer> };

/** A whole PNG or JPEG file. */
export interface ExampleFile {
  /** Its path in the archive. */
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Some examples that follow each other in the upload: exactly one of `pixels` and `files` is there. */
export interface ExampleBatch {
  /** Row of the first of them in the upload. */
  readonly firstRow: number;
  /** [R], each in 0..classes-1. */
  readonly labels: Int32Array<ArrayBuffer>;
  readonly pixels?: ExamplePixels;
  readonly files?: readonly ExampleFile[];
  /** Paths of the files that `pixels` were read from, where they were files of their own. */
  readonly names?: readonly string[];
}

/** How an upload is read. */
export interface UploadOptions {
  readonly format: UploadFormat;
  /** Examples of one batch; it has fewer where they would be more bytes than `batchBytes`. */
  readonly batch: number;
  /** Classes of the model; a label beyond them is refused. */
  readonly classes?: number;
  /** Shape that the model reads; another one is refused. */
  readonly shape?: ImageShape;
  /** Batches before the one of this first row, as an earlier reading gave it, are read and checked, not yielded. */
  readonly firstRow?: number;
  /** `npz`: where the channels stand; found out where only one place is possible. */
  readonly layout?: 'nchw' | 'nhwc';
  /** `npz`: names of the arrays; `x` and `y` where absent, or `images` and `labels`. */
  readonly arrays?: { readonly images: string; readonly labels: string };
  /** `npz` of float32: lowest and highest value of a pixel; [0, 1] where absent; whoever screens gives the model's own. */
  readonly pixelRange?: readonly [lowest: number, highest: number];
  /** `cifar-binary`: 10 or 100 classes; the latter's records have a coarse label, which is left out, before the fine one. */
  readonly cifarClasses?: 10 | 100;
}

/** Bounds of one upload; `defaultUploadLimits` where none are given. */
export interface UploadLimits {
  readonly examples: number;
  readonly exampleBytes: number;
  readonly batchBytes: number;
  readonly classes: number;
  readonly inflatedBytes: number;
  readonly inflationRatio: number;
  readonly inflationFreeBytes: number;
  readonly archiveEntries: number;
  readonly entryNameCharacters: number;
}

/** The bounds of `limits.ts`. */
export const defaultUploadLimits: UploadLimits = {
  examples: uploadExamplesMax,
  exampleBytes: exampleBytesMax,
  batchBytes: shardBytesMax,
  classes: uploadClassesMax,
  inflatedBytes: inflatedBytesMax,
  inflationRatio: inflationRatioMax,
  inflationFreeBytes,
  archiveEntries: archiveEntriesMax,
  entryNameCharacters: entryNameCharactersMax,
};

/** What was read when an upload has been read to its end. */
export interface UploadSummary {
  readonly examples: number;
  /** Examples by label, up to the highest label that occurs. */
  readonly classCounts: readonly number[];
  /** `tar`: names of the class folders by label. */
  readonly classNames?: readonly string[];
  /** `tar`: files that are no examples and were left out, and the first of their paths. */
  readonly ignored?: { readonly files: number; readonly first: readonly string[] };
}

/** What the headers of an upload say, before its examples are read. */
export interface UploadDescription {
  readonly format: UploadFormat;
  /** Bytes of all files as they came. */
  readonly bytes: number;
  readonly examples: number;
  /** Whether `examples` is their number or estimated from the first of them. */
  readonly exact: boolean;
  /** As the model would read them; absent where only the files themselves say it. */
  readonly shape?: ImageShape;
  readonly datatype: 'UINT8' | 'FP32' | 'files';
  /** Number of classes, where it is known without reading all; names are known once all has been read. */
  readonly classes?: number;
}

/** A refusal of the upload. */
export function invalidUpload(detail: string, cause?: unknown): GuardError {
  return new GuardError('invalid_dataset', detail, { cause });
}

/** Bytes of one image. */
export function imageBytes({ shape, datatype }: Pick<ExamplePixels, 'shape' | 'datatype'>): number {
  return shape[0] * shape[1] * shape[2] * (datatype === 'FP32' ? 4 : 1);
}
