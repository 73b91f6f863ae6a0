// One image of 28 x 28 asked of a model and of its guard, by the routes that every caller uses.
import type { GuardedModelSummary } from '../../../shared/contracts/detector-summary.ts';
import type { Verdict } from '../../../shared/contracts/verdict.ts';
import { side } from '../../../shared/digits/render-digit.ts';
import { type GuardClient, Refusal } from './guard-client.ts';

/** A model that reads such images. */
export interface ImageModel {
  readonly name: string;
  readonly mode: GuardedModelSummary['mode'];
  /** Whether it has a detector, so that the guard can say something of an input. */
  readonly isGuarded: boolean;
  readonly inputName: string;
  /** Shape of one image as the model wants it, with a batch of one. */
  readonly shape: readonly number[];
}

/** What a model said: its logits, or that the guard refused the request. */
export type ModelAnswer = { readonly logits: readonly number[] } | { readonly refused: string };

interface Metadata {
  readonly inputs?: readonly { readonly name: string; readonly shape: readonly number[] }[];
}

/** The configured models whose only input is an image of 28 x 28, as their servers describe it. */
export async function imageModels(
  guard: GuardClient,
  models: readonly GuardedModelSummary[],
): Promise<ImageModel[]> {
  const described = await Promise.all(
    models.map(async ({ model, mode, detector }): Promise<ImageModel | undefined> => {
      // A model whose server is away, or speaks otherwise, is none that can be drawn for.
      const metadata = await guard
        .ask<Metadata>(`/v2/models/${encodeURIComponent(model)}`)
        .then(({ body }) => body)
        .catch((thrown: unknown) => {
          if (thrown instanceof Refusal && ![401, 403].includes(thrown.status)) return undefined;
          throw thrown;
        });
      const [input, ...others] = metadata?.inputs ?? [];
      if (input === undefined || others.length > 0 || !isImage(input.shape)) return undefined;
      const shape = [1, ...input.shape.slice(1)];
      return { name: model, mode, isGuarded: detector !== null, inputName: input.name, shape };
    }),
  );
  return described.filter((model) => model !== undefined);
}

/** Asks the model by the guarded route. @throws Refusal of anything but the image itself */
export async function askModel(
  guard: GuardClient,
  model: ImageModel,
  image: Float32Array,
): Promise<ModelAnswer> {
  const question = { method: 'POST', body: inferenceBody(model, image) } as const;
  try {
    const { body } = await guard.ask<{ outputs: readonly { data: readonly number[] }[] }>(
      `/v2/models/${encodeURIComponent(model.name)}/infer`,
      question,
    );
    return { logits: body.outputs[0].data };
  } catch (thrown) {
    if (thrown instanceof Refusal && thrown.code === 'blocked') return { refused: thrown.message };
    throw thrown;
  }
}

/** Asks the guard alone. @throws Refusal where it can give no verdict */
export async function askGuard(guard: GuardClient, model: ImageModel, image: Float32Array): Promise<Verdict> {
  const path = `/v1/guard/verdicts?${new URLSearchParams({ model: model.name })}`;
  return (await guard.ask<Verdict>(path, { method: 'POST', body: inferenceBody(model, image) })).body;
}

/** The class of the greatest logit, and how sure the model is of it: its share by softmax. */
export function topClass(logits: readonly number[]): { readonly label: number; readonly share: number } {
  const greatest = Math.max(...logits);
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - greatest), 0);
  return { label: logits.indexOf(greatest), share: 1 / sum };
}

/** The logit of a class less the greatest other one. */
export function marginOf(logits: readonly number[], label: number): number {
  return logits[label] - Math.max(...logits.filter((_, index) => index !== label));
}

function inferenceBody({ inputName, shape }: ImageModel, image: Float32Array): object {
  return { inputs: [{ name: inputName, datatype: 'FP32', shape, data: Array.from(image) }] };
}

function isImage(shape: readonly number[]): boolean {
  const [, ...image] = shape;
  return (
    image.length >= 2 &&
    image.slice(-2).every((extent) => extent === side) &&
    image.slice(0, -2).every((extent) => extent === 1)
  );
}
