// The files of a Layers or Graph model as TensorFlow.js takes them from memory, with a final softmax taken off.
import type { io } from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { GuardError } from '../../shared/errors.ts';
import type { ModelFiles } from './tfjs-archive.ts';

const weightSchema = z.looseObject({
  name: z.string(),
  shape: z.array(z.int().min(0)),
  dtype: z.enum(['float32', 'int32', 'bool', 'string', 'complex64']),
  quantization: z.looseObject({ dtype: z.enum(['uint8', 'uint16', 'float16']) }).optional(),
});

const layerSchema = z.looseObject({
  class_name: z.string(),
  config: z.looseObject({ name: z.string(), activation: z.unknown().optional() }),
});
const nodeSchema = z.looseObject({
  name: z.string(),
  op: z.string(),
  input: z.array(z.string()).default([]),
});

const modelSchema = z.looseObject({
  format: z.string().optional(),
  modelTopology: z.looseObject({}),
  weightsManifest: z.array(z.looseObject({ paths: z.array(z.string()), weights: z.array(weightSchema) })),
});

/** A node of a Graph model. */
export type GraphNode = z.infer<typeof nodeSchema>;

/** What is loaded, and of which kind it is. */
export type TfjsArtifacts =
  | { readonly kind: 'layers'; readonly artifacts: io.ModelArtifacts }
  | {
      readonly kind: 'graph';
      readonly artifacts: io.ModelArtifacts;
      readonly nodes: ReadonlyMap<string, GraphNode>;
    };

const elementBytes = {
  float32: 4,
  int32: 4,
  bool: 1,
  complex64: 8,
  uint8: 1,
  uint16: 2,
  float16: 2,
} as const;

/**
 * Reads `model.json` and the shards that it names.
 * @throws GuardError `invalid_model` where one is missing, cut off or of another format
 */
export function tfjsArtifacts(files: ModelFiles): TfjsArtifacts {
  const text = files.get('model.json');
  if (text === undefined) throw new GuardError('invalid_model', 'the model has no model.json');
  const parsed = modelSchema.safeParse(parseJson(text));
  if (!parsed.success) {
    throw new GuardError('invalid_model', `model.json is no model of TensorFlow.js: ${parsed.error.message}`);
  }
  const { format, modelTopology, weightsManifest, ...rest } = parsed.data;
  const weightSpecs = weightsManifest.flatMap(({ weights }) => weights) as io.WeightsManifestEntry[];
  const weightData = joinShards(files, weightsManifest);
  if (Array.isArray(modelTopology.node)) {
    const nodes = graphNodes(modelTopology.node);
    const signature = rest as Pick<io.ModelArtifacts, 'signature' | 'userDefinedMetadata'>;
    const artifacts = { ...signature, format: 'graph-model', modelTopology, weightSpecs, weightData };
    return { kind: 'graph', artifacts, nodes: new Map(nodes.map((node) => [node.name, node])) };
  }
  if (format === 'graph-model') throw new GuardError('invalid_model', 'model.json has no nodes');
  const artifacts = { modelTopology: withoutSoftmax(modelTopology), weightSpecs, weightData };
  return { kind: 'layers', artifacts };
}

function graphNodes(node: unknown): GraphNode[] {
  const nodes = z.array(nodeSchema).safeParse(node);
  if (nodes.success) return nodes.data;
  throw new GuardError('invalid_model', `model.json has a node that is none: ${nodes.error.message}`);
}

/** The shards in the manifest's order, as one. */
function joinShards(
  files: ModelFiles,
  manifest: z.infer<typeof modelSchema>['weightsManifest'],
): ArrayBuffer {
  const shards = manifest.flatMap(({ paths, weights }) => {
    const group = paths.map((path) => {
      const shard = files.get(path);
      if (shard === undefined) throw new GuardError('invalid_model', `the shard ${path} is missing`);
      return shard;
    });
    const has = group.reduce((sum, { length }) => sum + length, 0);
    const needs = weights.reduce((sum, weight) => sum + weightBytes(weight), 0);
    if (has !== needs) {
      throw new GuardError(
        'invalid_model',
        `${paths.join(', ')}: ${has} bytes of weights instead of ${needs}`,
      );
    }
    return group;
  });
  const joined = new Uint8Array(shards.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const shard of shards) {
    joined.set(shard, offset);
    offset += shard.length;
  }
  return joined.buffer;
}

function weightBytes({ name, shape, dtype, quantization }: z.infer<typeof weightSchema>): number {
  const stored = quantization?.dtype ?? dtype;
  if (stored === 'string') throw new GuardError('invalid_model', `the weight ${name} is text`);
  return shape.reduce((product, extent) => product * extent, elementBytes[stored]);
}

/** The topology of a Layers model whose last layer no longer turns logits into probabilities. */
function withoutSoftmax(topology: Record<string, unknown>): Record<string, unknown> {
  const copy = structuredClone(topology);
  const model = z
    .looseObject({ class_name: z.string(), config: z.unknown() })
    .safeParse(copy.model_config ?? copy);
  if (!model.success) throw new GuardError('invalid_model', 'model.json has neither layers nor nodes');
  const last = lastLayer(model.data.config);
  if (last?.config.activation === 'softmax') last.config.activation = 'linear';
  if (last?.class_name === 'Softmax') {
    last.class_name = 'Activation';
    last.config = { name: last.config.name, activation: 'linear' };
  }
  return copy;
}

/** The layer that gives the output: the last one of a sequence, the one that is named of a graph. */
function lastLayer(config: unknown): z.infer<typeof layerSchema> | undefined {
  const holder = Array.isArray(config)
    ? { layers: config as unknown[] }
    : (config as Record<string, unknown>);
  const { layers, output_layers: ends } = holder as { layers?: unknown[]; output_layers?: unknown[][] };
  if (!Array.isArray(layers)) return undefined;
  const found = layers.filter(
    (layer): layer is z.infer<typeof layerSchema> => layerSchema.safeParse(layer).success,
  );
  const name = ends?.[0]?.[0];
  return name === undefined ? found.at(-1) : found.find((layer) => layer.config.name === name);
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new GuardError('invalid_model', 'model.json is not JSON', { cause });
  }
}
