// The variable that lists the protected models: a part of the edge's configuration.
import { z } from 'zod';
import { digestSchema } from '../shared/contracts/extraction.ts';
import { nameSchema } from '../shared/contracts/inference.ts';
import type { AudioInput } from '../shared/contracts/media.ts';
import { type GuardMode, guardModes } from '../shared/contracts/verdict.ts';
import { stagesMax } from '../shared/limits.ts';
import type { GraphReference } from './bindings.ts';

/** What the servers of protected models speak. */
export const upstreamProtocols = ['open-inference', 'tensorflow-serving'] as const;
export type UpstreamProtocol = (typeof upstreamProtocols)[number];

/** One protected model as the configuration names it: which it is, and the mode of version 0 of its policy. */
export interface ConfiguredModel {
  readonly name: string;
  readonly mode: GuardMode;
  /** The version that the detector was made for, the only one that may be asked for by its number. */
  readonly version: string | undefined;
  /** Key of its detector artefact in R2; a model in mode off may have none. */
  readonly artefactKey: string | undefined;
  /**
   * Its compiled graph in R2, or those of the stages of a sequential test in their order, which the detector Worker runs in place of
   * a gpu-worker.
   */
  readonly graphs?: readonly GraphReference[] | undefined;
  /** What its server speaks, and so its callers. */
  readonly protocol: UpstreamProtocol;
  /** Of a model that reads sound. */
  readonly audio?: AudioInput | undefined;
}

/** A compiled graph: its key, and the digest that `model compile` printed of it, without which whoever writes to R2 would choose what runs. */
const graphSchema = z.strictObject({ key: z.string().min(1).max(1024), digest: digestSchema });

/** The models as `GUARD_MODELS` lists them. */
export const modelsSchema = z
  .array(
    z.strictObject({
      // A name becomes a path segment of the upstream and of the gpu-worker.
      name: nameSchema.regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/),
      mode: z.enum(guardModes).default('shadow'),
      // It becomes one too.
      version: nameSchema.regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/).optional(),
      artefact: z.string().min(1).max(1024).optional(),
      graph: z
        .union([graphSchema.transform((graph) => [graph]), z.array(graphSchema).min(1).max(stagesMax)])
        .optional(),
      protocol: z.enum(upstreamProtocols).default('open-inference'),
      audio: z
        .strictObject({ sample_rate: z.int().min(1).max(1_000_000), mix_down: z.boolean().default(false) })
        .transform(
          ({ sample_rate, mix_down }): AudioInput => ({ sampleRate: sample_rate, mixDown: mix_down }),
        )
        .optional(),
    }),
  )
  .min(1)
  .superRefine((models, context) => {
    for (const [index, { name, mode, artefact }] of models.entries()) {
      if (models.findIndex((other) => other.name === name) !== index) {
        context.addIssue({ code: 'custom', path: [index, 'name'], message: `${name} is named twice` });
      }
      if (mode !== 'off' && artefact === undefined) {
        const message = 'is needed unless the mode is off';
        context.addIssue({ code: 'custom', path: [index, 'artefact'], message });
      }
    }
  });

/** What a list of models comes to. */
export function configuredModels(
  models: z.output<typeof modelsSchema>,
): ReadonlyMap<string, ConfiguredModel> {
  return new Map(
    models.map(({ name, mode, version, artefact, graph, protocol, audio }) => {
      return [name, { name, mode, version, artefactKey: artefact, graphs: graph, protocol, audio }];
    }),
  );
}
