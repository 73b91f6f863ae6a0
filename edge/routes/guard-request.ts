// Hands the request of a route to the guard.
import type { Context } from 'hono';
import type { GuardedModel } from '../guard/current-policies.ts';
import { guardInference } from '../guard/guard-inference.ts';
import type { AppEnv, RouteDependencies } from './app-env.ts';
import { receiveBody } from './receive-body.ts';

/**
 * Guards the request and answers it.
 * @param target the model, and where the request goes on the upstream
 * @throws GuardError as `guardInference` does
 */
export async function guardRequest(
  context: Context<AppEnv>,
  { services }: Pick<RouteDependencies, 'services'>,
  target: { readonly model: GuardedModel; readonly path: string },
): Promise<Response> {
  const { raw, url } = context.req;
  const { headers } = raw;
  const request = {
    ...target,
    receive: () => receiveBody(context),
    headers,
    requestId: context.get('requestId'),
    trace: context.get('trace'),
    principal: context.get('principal').id,
    search: searchOf(url),
    signal: raw.signal,
  };
  const waitUntil = (work: Promise<unknown>) => context.executionCtx.waitUntil(work);
  return guardInference(request, { services, trail: context.get('trail'), waitUntil });
}

/** The query of an address, with its question mark; the platform has taken the fragment off. */
function searchOf(url: string): string {
  const mark = url.indexOf('?');
  return mark === -1 ? '' : url.slice(mark);
}
