// The words by which an engine is chosen.

/** What an operator may ask for; see `createEngine`. */
export const engineNames = ['auto', 'cpu', 'cuda', 'webgpu', 'wasm', 'tfjs'] as const;
export type EngineName = (typeof engineNames)[number];

/** Those that run ONNX models. */
export const onnxEngineNames = engineNames.filter((name) => name !== 'tfjs');
export type OnnxEngineName = (typeof onnxEngineNames)[number];
