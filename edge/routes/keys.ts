// API keys: made, listed, read and revoked by operators; and what any caller may know of itself.
import { createRoute, z } from '@hono/zod-openapi';
import {
  type ApiKey,
  type ApiKeyRequest,
  apiKeyListSchema,
  apiKeyRequestSchema,
  apiKeySchema,
  newApiKeySchema,
  principalSchema,
} from '../../shared/contracts/api-key.ts';
import { GuardError } from '../../shared/errors.ts';
import { parseJson } from '../../shared/oip/parse-json.ts';
import { isApiKeyId, newApiKey, secretDigest } from '../access/api-key.ts';
import type { StoredKey } from '../clients/key-store.ts';
import type { App, RouteDependencies } from './app-env.ts';
import { problemAnswers } from './problem-answers.ts';
import { receiveBody } from './receive-body.ts';

/** Keys of one page of the list. */
const listedKeysMax = 100;

/** Adds the routes. */
export function addKeyRoutes(app: App, dependencies: RouteDependencies): void {
  const { keys, directory } = dependencies.access;
  describeRoutes(app);

  app.get('/v1/keys/me', (context) => {
    const { id, name, scopes, models, rateLimit, expiresAt } = context.get('principal');
    const me = { id, name, scopes, models, rate_limit: rateLimit, expires_at: expiresAt };
    return context.json(me, 200, { 'cache-control': 'no-store' });
  });

  app.post('/v1/keys', async (context) => {
    const request = readKeyRequest(parseJson(await receiveBody(context)), dependencies);
    const now = Date.now();
    const { id, secret, key } = newApiKey(now);
    const stored: StoredKey = {
      ...request,
      id,
      created_at: new Date(now).toISOString(),
      created_by: context.get('principal').id,
      revoked_at: null,
      secret_digest: await secretDigest(secret),
    };
    await keys.create(stored);
    const headers = { location: `/v1/keys/${id}`, 'cache-control': 'no-store' };
    return context.json({ ...describeKey(stored), key }, 201, headers);
  });

  app.get('/v1/keys', async (context) => {
    const { limit, after } = readPage(context.req.query());
    const page = await keys.list({ limit: limit + 1, after });
    const nextCursor = page.length > limit ? page[limit - 1].id : null;
    return context.json({ keys: page.slice(0, limit).map(describeKey), next_cursor: nextCursor }, 200);
  });

  app.get('/v1/keys/:id', async (context) => {
    const id = context.req.param('id');
    const key = isApiKeyId(id) ? await keys.read(id) : undefined;
    if (key === undefined) throw noKey();
    return context.json(describeKey(key), 200);
  });

  app.delete('/v1/keys/:id', async (context) => {
    const id = context.req.param('id');
    if (!isApiKeyId(id) || !(await keys.revoke(id, new Date().toISOString()))) throw noKey();
    directory.forget(id);
    return context.body(null, 204);
  });
}

function noKey(): GuardError {
  return new GuardError('not_found', 'there is no key of this id');
}

/** What is told of a key: the schema has no digest. */
function describeKey(key: StoredKey): ApiKey {
  return apiKeySchema.parse(key);
}

/** @throws GuardError `malformed_request` that names what is wrong */
function readKeyRequest(
  json: unknown,
  { models, rateLimits }: Pick<RouteDependencies, 'models' | 'rateLimits'>,
): ApiKeyRequest {
  const parsed = apiKeyRequestSchema.safeParse(json);
  if (!parsed.success) {
    const [{ path, message }] = parsed.error.issues;
    throw wrong(`/${path.map(String).join('/')}`, message.slice(0, 200));
  }
  const { data } = parsed;
  const absent = data.models?.findIndex((name) => !models.has(name)) ?? -1;
  if (absent >= 0) throw wrong(`/models/${absent}`, 'there is no model of this name');
  if (data.rate_limit !== null && !rateLimits.has(data.rate_limit)) {
    throw wrong('/rate_limit', 'this deployment has no such limit');
  }
  if (data.expires_at !== null && Date.parse(data.expires_at) <= Date.now()) {
    throw wrong('/expires_at', 'is in the past');
  }
  return data;
}

function wrong(pointer: string, detail: string): GuardError {
  return new GuardError('malformed_request', `${pointer}: ${detail}`, { places: [{ pointer, detail }] });
}

function readPage({ limit = String(listedKeysMax), cursor }: Readonly<Record<string, string>>): {
  limit: number;
  after: string | undefined;
} {
  const asked = /^\d{1,3}$/.test(limit) ? Number(limit) : 0;
  if (asked < 1 || asked > listedKeysMax) {
    throw new GuardError('malformed_request', `limit is a number from 1 to ${listedKeysMax}`);
  }
  if (cursor !== undefined && !isApiKeyId(cursor)) {
    throw new GuardError('malformed_request', 'cursor is not one that the list gave');
  }
  return { limit: asked, after: cursor };
}

function describeRoutes(app: App): void {
  const register = app.openAPIRegistry.registerPath.bind(app.openAPIRegistry);
  const json = (schema: z.ZodType) => ({ content: { 'application/json': { schema } } });
  const request = { params: z.object({ id: z.string() }) };
  register(
    createRoute({
      method: 'post',
      path: '/v1/keys',
      request: { body: { required: true, ...json(apiKeyRequestSchema) } },
      responses: {
        201: { description: 'The new key, which no other answer shows.', ...json(newApiKeySchema) },
        ...problemAnswers('malformed_request', 'body_too_large'),
      },
    }),
  );
  register(
    createRoute({
      method: 'get',
      path: '/v1/keys',
      request: { query: z.object({ limit: z.string().optional(), cursor: z.string().optional() }) },
      responses: {
        200: { description: 'Keys, latest first, revoked ones too.', ...json(apiKeyListSchema) },
        ...problemAnswers('malformed_request'),
      },
    }),
  );
  register(
    createRoute({
      method: 'get',
      path: '/v1/keys/me',
      responses: { 200: { description: 'Who calls, and what it may do.', ...json(principalSchema) } },
    }),
  );
  register(
    createRoute({
      method: 'get',
      path: '/v1/keys/{id}',
      request,
      responses: { 200: { description: 'The key.', ...json(apiKeySchema) }, ...problemAnswers('not_found') },
    }),
  );
  register(
    createRoute({
      method: 'delete',
      path: '/v1/keys/{id}',
      request,
      responses: { 204: { description: 'It is revoked, or was.' }, ...problemAnswers('not_found') },
    }),
  );
}
