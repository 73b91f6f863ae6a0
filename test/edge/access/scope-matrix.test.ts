// Every route of the OpenAPI document by every scope of a key: allowed, or refused by the name of the scope that is missing.
import { beforeAll, describe, expect, it } from 'vitest';
import { routeScopes } from '../../../edge/access/route-scopes.ts';
import { type Scope, scopes } from '../../../shared/contracts/api-key.ts';
import { guardedEdge } from '../../helpers/guarded-edge.ts';
import { type NewKey, operatorOf, operatorToken } from '../../helpers/operator-edge.ts';

const guarded = guardedEdge({ bindings: { OPERATOR_TOKEN: operatorToken } });
const operator = operatorOf(guarded);
const keys = new Map<Scope, NewKey>();
let documented: Record<string, Record<string, { security: Record<string, string[]>[]; responses: object }>>;

beforeAll(async () => {
  for (const scope of scopes) keys.set(scope, await operator.createKey({ scopes: [scope] }));
  documented = ((await (await operator.call('/openapi.json')).json()) as { paths: typeof documented }).paths;
});

/** A path with something in its parameters that is there or, where a call would change something, is not. */
function pathOf(template: string): string {
  const parameters: Record<string, string> = { model: 'off', version: '3', part: '1', id: 'none' };
  return template.replace(/\{(\w+)\}/g, (_, name: string) => parameters[name] ?? 'none');
}

describe('a key with the scope', () => {
  it.each(scopes)('%s opens its routes and no other', async (scope) => {
    for (const [template, operations] of Object.entries(documented)) {
      for (const method of Object.keys(operations)) {
        const route = `${method.toUpperCase()} ${template}`;
        const needed = routeScopes[route];
        expect(needed, `${route} has a declared scope`).toBeDefined();
        const isAllowed = ['open', 'any', scope].includes(needed) || scope === 'admin';
        const answer = await operator.callWith(keys.get(scope)!.key, pathOf(template), {
          method: method.toUpperCase(),
        });
        const said = await answer.text();
        expect([401, 403].includes(answer.status), `${route}: ${answer.status} ${said}`).toBe(!isAllowed);
        if (isAllowed) continue;
        // A route is asked with HEAD as it is with GET.
        if (method === 'get') {
          const head = await operator.callWith(keys.get(scope)!.key, pathOf(template), { method: 'HEAD' });
          expect(head.status, `HEAD ${template}`).toBe(403);
        }
        expect(JSON.parse(said)).toMatchObject({ code: 'insufficient_scope', status: 403 });
        expect(said).toContain(`the scope ${needed} is needed`);
        expect(answer.headers.get('www-authenticate')).toBe(
          `Bearer error="insufficient_scope", scope="${needed}"`,
        );
      }
    }
  });
});

describe('without credentials', () => {
  it('every route but the probes answers 401 and asks for a bearer token', async () => {
    for (const [template, operations] of Object.entries(documented)) {
      for (const method of Object.keys(operations)) {
        const init = { method: method.toUpperCase(), headers: { authorization: '' } };
        const answer = await guarded.call(pathOf(template), init);
        await answer.arrayBuffer();
        const isOpen = routeScopes[`${init.method} ${template}`] === 'open';
        expect(answer.status === 401, `${init.method} ${template}: ${answer.status}`).toBe(!isOpen);
        if (!isOpen) expect(answer.headers.get('www-authenticate')).toBe('Bearer');
      }
    }
  });
});

describe('the OpenAPI document', () => {
  it('says the scope of each route and the refusals that it can answer', () => {
    const { get } = documented['/v1/keys'];
    expect(get.security).toEqual([{ bearer: ['admin'] }]);
    expect(Object.keys(get.responses)).toEqual(expect.arrayContaining(['401', '403', '429', '503']));
    expect(documented['/healthz'].get.security).toEqual([]);
    expect(documented['/v1/keys/me'].get.security).toEqual([{ bearer: [] }]);
  });
});
