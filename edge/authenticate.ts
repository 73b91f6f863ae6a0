// Who may call: whoever shows the bearer token. Only the health probes are open.
import { createMiddleware } from 'hono/factory';
import { GuardError } from '../shared/errors.ts';
import { sha256 } from '../shared/noise/noise-key.ts';
import type { AppEnv } from './routes/app-env.ts';

/** Lets a request pass that shows `token`; lets every request pass where there is none to show. */
export function authenticate(token: string | undefined) {
  const expected = token === undefined ? undefined : digestOf(token);
  return createMiddleware<AppEnv>(async (context, next) => {
    if (expected !== undefined && !(await shows(context.req.header('authorization'), await expected))) {
      throw new GuardError('unauthorized', 'a valid bearer token is needed');
    }
    await next();
  });
}

async function shows(header: string | undefined, expected: Uint8Array): Promise<boolean> {
  const match = /^Bearer +([\x21-\x7e]{1,4096})$/i.exec(header ?? '');
  if (match === null) return false;
  // Digests are compared, all of their bytes, so that the time says nothing about the token.
  const shown = await digestOf(match[1]);
  let difference = 0;
  for (let index = 0; index < expected.length; index++) difference |= shown[index] ^ expected[index];
  return difference === 0;
}

function digestOf(token: string): Promise<Uint8Array> {
  return sha256(new TextEncoder().encode(token));
}
