// Every reader that is fuzzed.
import type { FuzzTarget } from './target.ts';
import { cifar, idx, imageHeader, npy, npzFile } from './targets/arrays.ts';
import { artefact, policy } from './targets/documents.ts';
import { image } from './targets/images.ts';
import { oipBinary, oipJson, oipResponse } from './targets/oip.ts';
import { onnx } from './targets/onnx.ts';
import { wav } from './targets/recordings.ts';
import { answerMark, predict } from './targets/serving.ts';
import { cifarUpload, idxUpload, npzArrays, npzUpload, tarUpload } from './targets/uploads.ts';

/** By the formats that they read. */
export const targets: readonly FuzzTarget[] = [
  oipJson,
  oipBinary,
  oipResponse,
  predict,
  answerMark,
  policy,
  artefact,
  onnx,
  image,
  wav,
  imageHeader,
  npy,
  npzFile,
  idx,
  cifar,
  npzUpload,
  npzArrays,
  tarUpload,
  idxUpload,
  cifarUpload,
];

/**
 * The target of a name.
 * @throws Error where there is none
 */
export function targetByName(name: string): FuzzTarget {
  const target = targets.find((candidate) => candidate.name === name);
  if (target === undefined) throw new Error(`there is no target ${name}`);
  return target;
}
