// Hard bounds, each with its unit and the reason for its size. What an operator tunes is in config, not here.

/** Largest request body that is read, in bytes: a Worker isolate has 128 MB and a body is held about four times while it is parsed. */
export const bodyBytesMax = 4 * 1024 * 1024;
/** Bytes of an answer that is read whole to be marked, because rows of its request were cut out. */
export const cutAnswerBytesMax = 16 * 1024 * 1024;
/** Bytes of an answer of known length up to which it is read whole before it is passed on. */
export const wholeAnswerBytesMax = 64 * 1024;
/**
 * Bodies of all requests whose verdicts an isolate has under way, those that callers wait for and those of mode shadow: four times
 * both are what its 128 MB leave beside the code.
 */
export const pendingVerdictBytesMax = 16 * 1024 * 1024;
export const pendingShadowBytesMax = 8 * 1024 * 1024;
/** Rows of one inference request that are scored. */
export const batchRowsMax = 64;
/** Queries that are kept of one caller of one model, of about 500 bytes each: those of before are forgotten. */
export const queriesKeptMax = 1_024;
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
/** Units that the taps of a plan read in all: three numbers each for every input, and a detector has not the parameters for more. */
export const tapUnitsMax = 8_192;
/** Bytes that the gpu-worker accepts: a batch with its copies' row numbers, with room for large images. */
export const extractionBytesMax = 64 * 1024 * 1024;
/** Parameters of the detector (paper, section 5.1). */
export const detectorParametersMax = 1_792;
/** Pixels by which a copy is shifted along an axis: more moves a small image out of its frame. */
export const shiftPixelsMax = 8;
/** Weight of total variation, in units of the input: at this one an image of the range [0, 255] is all but flat. */
export const totalVariationWeightMax = 256;
/** Iterations of total variation: each is several nodes of the compiled graph, and 8 are as good as converged here. */
export const totalVariationIterationsMax = 64;
/** Standard deviation of a Gaussian blur in pixels: below the least one float32 sees no blur, above the most the window cuts it off. */
export const blurSigmaMin = 0.2;
export const blurSigmaMax = 5;
/** Side of a blur's window in pixels. */
export const blurSizeMax = 15;
/** Bits of a reduced bit depth: images that clients send have eight. */
export const bitDepthMax = 8;
/** Neurons of a penultimate layer that are read: a Gaussian in an artefact and the whitening of screening have the square of that many numbers. */
export const activationNeuronsMax = 512;
/** Neurons of a penultimate layer that screening projects: the projection then adds 8 MB to the compiled graph. */
export const projectedNeuronsMax = 16_384;
/** Directions that it projects wider layers onto. With more of them than a class has examples to fill, less poison was found: see docs/results.md. */
export const projectionDirections = 128;
/** Stages of a sequential test. */
export const stagesMax = 8;
/** Pixels that a trigger's patch or shift may measure: more than the side of any image that is screened here. */
export const triggerPixelsMax = 1_024;
/** Seed of a poison recipe: each is split into four streams, whose seeds have 31 bits. */
export const poisonSeedMax = 500_000_000;
/** Seed of a screening: each class adds a multiple of its label, in 32 bits. */
export const screeningSeedMax = 2_147_483_647;
/** Verdicts of one page of the audit, of some kB each. */
export const auditPageMax = 500;
/** Characters of a webhook's address. */
export const webhookCharactersMax = 2_048;
/** Bytes of one uploaded part but the last: R2 takes none smaller. */
export const uploadPartBytesMin = 5 * 1024 * 1024;
/** Bytes of one uploaded part: Cloudflare takes request bodies of 100 MB. */
export const uploadPartBytesMax = 95 * 1024 * 1024;
/** Parts of one uploaded file, R2's own limit. */
export const uploadPartsMax = 10_000;
/** Examples that a gpu-worker extracts in one request, and of the smallest shards of a job. */
export const shardExamplesMax = 256;
/** Examples of one shard of a large job: each costs calls of R2 and D1 whatever its size. */
export const largeShardExamplesMax = 1_024;
/** Bytes of one shard: it is held in memory whole, several at a time. */
export const shardBytesMax = 8 * 1024 * 1024;
/** Classes that the report of a screening pictures, though never fewer than are poisoned; and the points of all pictures: a page of a few MB. */
export const picturesMax = 60;
export const picturePointsMax = 60_000;
/** Points of one pictured class: more only cover each other. */
export const pictureClassPointsMax = 1_000;
/** Outliers of one class whose rows a report lists: with rounds of under 20 there are some hundred at most, nearly always a few. */
export const outlierRowsMax = 100;
/** Silhouette coefficients of one pictured cluster: more than its plot is pixels high. */
export const pictureSilhouettesMax = 250;
/** Thumbnails of one poisoned class, and of all. */
export const classThumbnailsMax = 24;
/** Thumbnails of ordinary examples of a poisoned class, for comparison. */
export const ordinaryThumbnailsMax = 12;
export const thumbnailsMax = 240;
/** Bytes of one thumbnail's file: what a photograph of 224 pixels needs, and 240 of them are held while a report is made. */
export const thumbnailBytesMax = 48 * 1024;
/** Characters of all thumbnails of a report in base64. */
export const thumbnailsCharactersMax = 2 * 1024 * 1024;
/** Side of a thumbnail that is drawn from pixels. */
export const thumbnailPixelsMax = 64;
/** Characters of the name of a suspect's file: what a path may have on most systems. */
export const suspectNameCharactersMax = 4_096;
/** Examples of one upload: what the clustering was measured with in an isolate of 128 MB. */
export const uploadExamplesMax = 1_000_000;
/** Bytes of one example, as pixels or as a file: some of them are held at once, and an inference request is as large. */
export const exampleBytesMax = 4 * 1024 * 1024;
/** Labels that an upload may name where the model's classes are not given: ImageNet-21k has a third of that. */
export const uploadClassesMax = 65_536;
/** Bytes that one upload may inflate to: a million colour images of 64 x 64 take 12 GB. */
export const inflatedBytesMax = 16 * 1024 * 1024 * 1024;
/** Inflated bytes for each compressed one: images reach 20, sorted labels as int64 a thousand, deflate itself 1,032. */
export const inflationRatioMax = 100;
/** Inflated bytes up to which the ratio is not looked at: a million labels as int64 are as many. */
export const inflationFreeBytes = 8 * 1024 * 1024;
/** Arrays of one .npz file: NumPy files of experiments have a handful. */
export const npzEntriesMax = 1_024;
/** Entries of one archive: as many examples, with room for folders and what operating systems add. */
export const archiveEntriesMax = 1_100_000;
/** Characters of a path in an archive: the bound of POSIX's ustar format. */
export const entryNameCharactersMax = 255;
/** Milliseconds between the attempts to deliver a webhook, which begin like those that Standard Webhooks proposes: 2.6 hours in all. */
export const webhookRetryDelaysMs = [5_000, 300_000, 1_800_000, 7_200_000] as const;
/** Milliseconds that a receiver of webhooks may ask the guard to wait. */
export const webhookRetryAfterMsMax = 7_200_000;
/** Pixels of an image file that is decoded: more than any network at hand reads, and 50 MB as three channels of bytes. */
export const imagePixelsMax = 16 * 1024 * 1024;
/** Characters of the name of an API key. */
export const apiKeyNameCharactersMax = 128;
/** Models that an API key may be limited to: its row is held in memory by every isolate that sees it. */
export const apiKeyModelsMax = 64;
/** Seconds of a recording that is decoded: more than networks that tell commands, speakers or noises apart read at once. */
export const audioSecondsMax = 60;
/** Time that a request of a screening waits for workers, in milliseconds: it is cut into runs, and a guard's requests go between. */
export const screeningDeadlineMsMax = 120_000;
/** Bytes of one upload, all of its files together. */
export const uploadBytesMax = 16 * 1024 * 1024 * 1024;
/** Models of one robustness report: more columns are no longer compared by eye. */
export const robustnessModelsMax = 16;
/** Sets of noise of one robustness report: the paper draws ten, and the interval hardly narrows beyond some dozens. */
export const robustnessSetsMax = 30;
/** Layers of one model of a robustness report. */
export const robustnessLayersMax = 64;
/** Classes of one model that a robustness report tells apart: ImageNet has a thousand. */
export const robustnessClassesMax = 1_000;
/** Bytes of a compiled graph that the detector Worker runs, and of all that one of its isolates, of 128 MB, holds at once. */
export const graphBytesMax = 8 * 1024 * 1024;
export const graphsBytesMax = 16 * 1024 * 1024;
/** Calls that an isolate of the detector Worker has under way at once, and the bytes of their inputs. */
export const graphCallsMax = 64;
export const graphCallBytesMax = 16 * 1024 * 1024;
/** Bytes of logits and changes that such a call answers: half of what the platform carries from one Worker to another. */
export const graphOutputBytesMax = 16 * 1024 * 1024;
