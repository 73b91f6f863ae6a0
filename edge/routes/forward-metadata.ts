// Asks the protected model's server what it says of the model, and passes that on as data.
import type { Context } from 'hono';
import type { AppEnv, RouteDependencies } from './app-env.ts';

/**
 * Passes a question of the client's on, and the answer back with its status and body as they came.
 *
 * A browser that is led here shows what comes as text at most: a page of the upstream's would otherwise run on the origin of the
 * dashboard.
 * @param path on the upstream, already encoded
 * @throws GuardError `upstream_unreachable` or `upstream_timeout`
 */
export async function forwardMetadata(
  context: Context<AppEnv>,
  { services }: Pick<RouteDependencies, 'services'>,
  path: string,
): Promise<Response> {
  const answer = await services.upstream.forward({
    method: 'GET',
    path,
    search: '',
    headers: context.req.raw.headers,
    body: undefined,
    requestId: context.get('requestId'),
    trace: context.get('trace'),
  });
  answer.headers.set('x-content-type-options', 'nosniff');
  answer.headers.set('content-security-policy', "default-src 'none'; sandbox");
  return answer;
}
