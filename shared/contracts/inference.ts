// Wire shapes of the Open Inference Protocol v2 over HTTP, JSON and binary extension.
import { z } from 'zod';
import { inputTensorsMax, nameCharactersMax, tensorRankMax } from '../limits.ts';

/** Request and answer parameters: the protocol allows nothing deeper. */
export const parametersSchema = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));
export type Parameters = z.infer<typeof parametersSchema>;

/** Names, ids and versions: bounded. */
export const nameSchema = z.string().min(1).max(nameCharactersMax);

const shapeSchema = z.array(z.int().min(0).max(Number.MAX_SAFE_INTEGER)).max(tensorRankMax);

/** One tensor of a request or an answer. `data` is checked by the tensor reader, not here: it is most of the body. */
export const wireTensorSchema = z.object({
  name: nameSchema,
  shape: shapeSchema,
  datatype: z.string().min(1).max(16),
  parameters: parametersSchema.optional(),
  data: z.unknown().optional(),
});
export type WireTensor = z.infer<typeof wireTensorSchema>;

/** One tensor of a request. A member that is not read here could be what another server reads instead, so there is none. */
export const requestTensorSchema = z.strictObject(wireTensorSchema.shape);

/** An output that a request asks for. */
export const requestedOutputSchema = z.object({ name: nameSchema, parameters: parametersSchema.optional() });

/** `POST /v2/models/{name}/infer`, the JSON part. */
export const inferenceRequestSchema = z.strictObject({
  id: z.string().max(nameCharactersMax).optional(),
  parameters: parametersSchema.optional(),
  inputs: z.array(requestTensorSchema).min(1).max(inputTensorsMax),
  outputs: z.array(requestedOutputSchema).optional(),
});
export type InferenceRequest = z.infer<typeof inferenceRequestSchema>;

/** The answer to an inference request, the JSON part. */
export const inferenceResponseSchema = z.object({
  model_name: z.string(),
  model_version: z.string().optional(),
  id: z.string().optional(),
  parameters: parametersSchema.optional(),
  outputs: z.array(wireTensorSchema),
});
export type InferenceResponse = z.infer<typeof inferenceResponseSchema>;

/** `GET /v2`. */
export const serverMetadataSchema = z.object({
  name: z.string(),
  version: z.string(),
  extensions: z.array(z.string()),
});

/** A tensor as metadata describes it; -1 is a free extent. */
export const tensorMetadataSchema = z.object({
  name: z.string(),
  datatype: z.string(),
  shape: z.array(z.int().min(-1)),
});

/** `GET /v2/models/{name}`. */
export const modelMetadataSchema = z.object({
  name: z.string(),
  versions: z.array(z.string()).optional(),
  platform: z.string(),
  inputs: z.array(tensorMetadataSchema),
  outputs: z.array(tensorMetadataSchema),
  parameters: parametersSchema.optional(),
});
export type ModelMetadata = z.infer<typeof modelMetadataSchema>;

/** Header of the binary extension: byte length of the JSON part that stands before the tensors. */
export const headerLengthHeader = 'inference-header-content-length';
