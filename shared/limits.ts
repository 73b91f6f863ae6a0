// Hard bounds, each with its unit and the reason for its size. What an operator tunes is in config, not here.

/** Largest request body that is read, in bytes: a Worker isolate has 128 MB and a body is held about four times while it is parsed. */
export const bodyBytesMax = 4 * 1024 * 1024;
/** Rows of one inference request that are scored. */
export const batchRowsMax = 64;
/** Input tensors of one inference request. */
export const inputTensorsMax = 16;
/** Nesting of a JSON body, counted in brackets: Coraza stops at 1,024, an inference request needs one level a dimension. */
export const jsonDepthMax = 64;
/** Rank of a tensor, as ONNX Runtime's own checks allow. */
export const tensorRankMax = 8;
/** Elements of one tensor: what the body limit can hold as the smallest datatype. */
export const tensorElementsMax = bodyBytesMax;
/** Characters of a model's name, version or a request's id. */
export const nameCharactersMax = 256;
/** Perturbed copies of one input: the paper's curve is flat long before. */
export const copiesMax = 64;
/** Rows of one noise bank; a row is drawn by a 16-bit word. */
export const bankRowsMax = 65_536;
/** Bytes that the gpu-worker accepts: a batch with its copies' row numbers, with room for large images. */
export const extractionBytesMax = 64 * 1024 * 1024;
/** Parameters of the detector (paper, section 5.1). */
export const detectorParametersMax = 1_792;
