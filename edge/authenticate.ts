// Who may call: whoever shows the bearer token, and an operator's for what tells scores. Only the health probes are open.
import { createMiddleware } from 'hono/factory';
import { GuardError } from '../shared/errors.ts';
import { sha256 } from '../shared/noise/noise-key.ts';
import type { AppEnv } from './routes/app-env.ts';

/** Routes that tell scores, which whoever can read them can climb, and those of training data. */
export const operatorPaths = [
  '/v1/verdicts/*',
  '/v1/guard/verdicts',
  '/v1/screenings/*',
  '/metrics',
] as const;

/** The tokens that are asked for; undefined where none is. */
export interface Tokens {
  readonly apiToken: string | undefined;
  readonly operatorToken: string | undefined;
}

/** Lets a request pass that shows the callers' token or the operators'; every request where callers need none. */
export function authenticate({ apiToken, operatorToken }: Tokens) {
  const showsApiToken = tokenCheck(apiToken);
  const showsOperatorToken = tokenCheck(operatorToken);
  return createMiddleware<AppEnv>(async (context, next) => {
    const shown = context.req.header('authorization');
    const isKnown =
      apiToken === undefined || (await showsApiToken(shown)) || (await showsOperatorToken(shown));
    if (!isKnown) throw unauthorized();
    await next();
  });
}

/** Lets a request pass that shows the operators' token; every request where there is none. */
export function authenticateOperator({ apiToken, operatorToken }: Tokens) {
  const showsApiToken = tokenCheck(apiToken);
  const showsOperatorToken = tokenCheck(operatorToken);
  return createMiddleware<AppEnv>(async (context, next) => {
    const shown = context.req.header('authorization');
    if (operatorToken !== undefined && !(await showsOperatorToken(shown))) {
      if (await showsApiToken(shown)) throw new GuardError('forbidden', 'the token of an operator is needed');
      throw unauthorized();
    }
    await next();
  });
}

/** Makes the check of one token; no header shows a token that there is not. */
function tokenCheck(token: string | undefined): (header: string | undefined) => Promise<boolean> {
  if (token === undefined) return async () => false;
  const expected = digestOf(token);
  return async (header) => shows(header, await expected);
}

function unauthorized(): GuardError {
  return new GuardError('unauthorized', 'a valid bearer token is needed');
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
