// Lets only requests through that carry the server's token.
import { hash, timingSafeEqual } from 'node:crypto';
import type { MiddlewareHandler } from 'hono';
import { GuardError } from '../shared/errors.ts';

/**
 * Middleware that refuses a request without `Authorization: Bearer TOKEN`.
 *
 * Digests are compared, in constant time, so that neither the token's characters nor its length can be timed.
 * @throws GuardError `unauthorized`
 */
export function bearerToken(token: string): MiddlewareHandler {
  const expected = sha256(token);
  return async (context, next) => {
    const given = /^bearer +(\S+)$/i.exec(context.req.header('authorization') ?? '')?.[1];
    if (given === undefined) throw new GuardError('unauthorized', 'a bearer token is required');
    if (!timingSafeEqual(sha256(given), expected))
      throw new GuardError('unauthorized', 'the bearer token is wrong');
    await next();
  };
}

function sha256(text: string): Buffer {
  return hash('sha256', text, 'buffer');
}
