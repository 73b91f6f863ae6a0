// Versions of ONNX's operator set: which a model uses, which we can build on.
import { GuardError } from '../../shared/errors.ts';
import { convertNodes } from './convert-opset.ts';
import { buildOn } from './graph.ts';
import { sortNodes } from './graph-order.ts';
import type { Model } from './model-file.ts';
import { opsetVersion, ownOpset } from './opset-version.ts';

/** The versions that are read: before, operators broadcast in a way of their own; after, they are not known here. */
export const opsetRange = { lowest: 7, highest: 22 } as const;
/** Version 16 has the scatter-add that gradients need, and differs from 13 in no operator that has a gradient rule. */
const gradientsFrom = 16;
/** Version whose Clip, Slice and Reshape are those that a compiled graph appends. */
const copiesFrom = 11;
/** Until IR version 3 every constant had to be an input too; from 8 on version 16 may be imported. */
const irVersions = { constantsAlone: 4n, gradients: 8n };

/**
 * Raises a model to the operator set that a compiled graph's own nodes need.
 * @throws GuardError `invalid_model` where the model is older or newer than what is read, `unsupported_operator` that names
 *   the node where one cannot be raised
 */
export function raiseForCopies(model: Model): void {
  raise(model, copiesFrom);
}

/**
 * Raises a model to the operator set that gradients need.
 * @throws GuardError as `raiseForCopies` does
 */
export function raiseForGradients(model: Model): void {
  raise(model, gradientsFrom);
  if (model.irVersion < irVersions.gradients) model.irVersion = irVersions.gradients;
}

function raise(model: Model, lowest: number): void {
  const version = opsetVersion(model);
  if (version < opsetRange.lowest || version > opsetRange.highest) {
    const { lowest: first, highest: last } = opsetRange;
    const detail = `the model uses operator set ${version}; export it with one of ${first} to ${last}`;
    throw new GuardError('invalid_model', detail);
  }
  if (version < lowest) {
    convertNodes(buildOn(model, 'raised'), { from: version, to: lowest });
    ownOpset(model)!.version = BigInt(lowest);
    sortNodes(model.graph);
  }
  if (model.irVersion < irVersions.constantsAlone) model.irVersion = irVersions.constantsAlone;
}
