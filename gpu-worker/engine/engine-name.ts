// The words by which an engine is chosen.

/** What an operator may ask for; see `createEngine`. */
export const engineNames = ['auto', 'cpu', 'cuda', 'webgpu', 'wasm'] as const;
export type EngineName = (typeof engineNames)[number];
