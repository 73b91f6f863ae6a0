// Reads what a route to a model needs of its request: the model by its name, and the body within the limit.

import type { Context } from 'hono';
import { GuardError } from '../../shared/errors.ts';
import { bodyBytesMax } from '../../shared/limits.ts';
import { requireModel } from '../access/principal.ts';
import { readMessageBody } from '../clients/read-bounded.ts';
import type { GuardedModel } from '../guard/current-policies.ts';
import type { ConfiguredModel, UpstreamProtocol } from '../model-variables.ts';
import type { AppEnv, RouteDependencies } from './app-env.ts';

/** What is read of a body that is too large, so that its sender gets to read the refusal. */
const discardedBytesMax = 3 * bodyBytesMax;

/**
 * The model of a name under the policy of the moment.
 * @throws GuardError `unknown_model`, or `forbidden` where the caller is for other models
 */
export async function findModel(
  context: Context<AppEnv>,
  { models, services }: Pick<RouteDependencies, 'models' | 'services'>,
  name: string,
): Promise<GuardedModel> {
  const waitUntil = (work: Promise<unknown>) => context.executionCtx.waitUntil(work);
  return services.policies.guarded(configuredModel(context, models, name), waitUntil);
}

/** @throws GuardError `unknown_model`, or `forbidden` where the caller is for other models */
export function configuredModel(
  context: Context<AppEnv>,
  models: RouteDependencies['models'],
  name: string,
): ConfiguredModel {
  requireModel(context.get('principal'), name);
  const model = models.get(name);
  if (model === undefined) throw new GuardError('unknown_model', 'there is no model of this name');
  return model;
}

/** Where the models stand in the protocols of their servers. */
const modelFolder: Readonly<Record<UpstreamProtocol, string>> = {
  'open-inference': 'v2/models',
  'tensorflow-serving': 'v1/models',
};

/**
 * Path of a model on the upstream, built from what was checked and not from what was sent.
 * @param protocol that the request speaks
 * @throws GuardError `unknown_model` where the version is not the one that is configured, or the model's server speaks otherwise
 */
export function modelPath(
  model: Pick<ConfiguredModel, 'name' | 'version' | 'protocol'>,
  version: string | undefined,
  protocol: UpstreamProtocol = 'open-inference',
): string {
  if (model.protocol !== protocol) {
    throw new GuardError('unknown_model', `the server of this model speaks ${model.protocol}`);
  }
  const path = `${modelFolder[protocol]}/${model.name}`;
  if (version === undefined) return path;
  // The detector was made for one version: it says nothing of the others.
  if (version !== model.version) {
    throw new GuardError('unknown_model', 'there is no such version of the model');
  }
  return `${path}/versions/${version}`;
}

/**
 * Reads the body of a request, counting its bytes whatever its headers claim.
 * @throws GuardError `body_too_large`, or `client_cancelled` where it breaks off
 */
export async function receiveBody(context: Context<AppEnv>): Promise<Uint8Array> {
  // Made where it is thrown: an error takes its stack with it, which costs as much as reading a small body.
  const tooLarge = () => new GuardError('body_too_large', `the body has more than ${bodyBytesMax} bytes`);
  const { raw } = context.req;
  const claimed = Number(raw.headers.get('content-length') ?? 0);
  if (claimed > bodyBytesMax + discardedBytesMax) throw tooLarge();
  const reading = readMessageBody(raw, { bytesMax: bodyBytesMax, discardedBytesMax });
  const bytes = await reading.catch((cause: unknown) => {
    throw new GuardError('client_cancelled', 'the body broke off', { cause });
  });
  if (bytes === undefined) throw tooLarge();
  return bytes;
}
