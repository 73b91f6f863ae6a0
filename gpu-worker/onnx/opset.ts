// Versions of ONNX's operator set: which a model uses, which we can build on.
import { GuardError } from '../../shared/errors.ts';
import type { Model } from './model-file.ts';
import type { OperatorSetIdProto } from './schema/messages.ts';

/** Versions 13 to 16 differ for none of the operators that have a gradient rule. */
const raiseable = { from: 13, to: 16 };
/** Until IR version 3 every constant had to be an input too. */
const constantsAlone = 4n;

/** Version of ONNX's own operator set that a model uses; 0 where it imports none. */
export function opsetVersion(model: Model): number {
  return Number(ownOpset(model)?.version ?? 0);
}

/**
 * Prepares a model for new nodes and constants.
 * @param lowest version below which the new nodes would mean something else
 * @throws GuardError `invalid_model` where the model is older
 */
export function requireOpset(model: Model, lowest: number): void {
  const version = opsetVersion(model);
  if (version < lowest) {
    throw new GuardError(
      'invalid_model',
      `the model uses operator set ${version}; export it with version ${lowest} or later`,
    );
  }
  if (model.irVersion < constantsAlone) model.irVersion = constantsAlone;
}

/**
 * Raises a model of operator set 13 to 15 to 16, which has the scatter-add that gradients need.
 * @throws GuardError `invalid_model` where the model is older
 */
export function raiseOpset(model: Model): void {
  requireOpset(model, raiseable.from);
  const own = ownOpset(model)!;
  if (own.version >= BigInt(raiseable.to)) return;
  own.version = BigInt(raiseable.to);
  if (model.irVersion < 8n) model.irVersion = 8n;
}

function ownOpset(model: Model): OperatorSetIdProto | undefined {
  return model.opsetImport.find(({ domain }) => domain === '' || domain === 'ai.onnx');
}
