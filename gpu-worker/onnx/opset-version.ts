// Which version of ONNX's own operator set a model imports.
import type { Model } from './model-file.ts';
import type { OperatorSetIdProto } from './schema/messages.ts';

/** Version of ONNX's own operator set that a model uses; 0 where it imports none. */
export function opsetVersion(model: Model): number {
  return Number(ownOpset(model)?.version ?? 0);
}

/** The entry that says so; undefined where there is none. */
export function ownOpset(model: Model): OperatorSetIdProto | undefined {
  return model.opsetImport.find(({ domain }) => domain === '' || domain === 'ai.onnx');
}
