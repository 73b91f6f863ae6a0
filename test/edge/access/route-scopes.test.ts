// Every route and every scope: allowed, or refused by the scope's name; a route that nobody gave a scope fails here.
import { describe, expect, it } from 'vitest';
import { routeKey, routeScopes } from '../../../edge/access/route-scopes.ts';
import { createApp } from '../../../edge/app.ts';
import type { Dependencies } from '../../../edge/dependencies.ts';

/** Nothing of it is touched before a request comes. */
const app = createApp({ access: {}, services: {}, screening: {} } as Dependencies);
const routes = app.routes.filter(({ method }) => method !== 'ALL');

describe('the table of scopes', () => {
  it('has every route of the application and no other', () => {
    const declared = Object.keys(routeScopes).map((route) => route.replace(/\{\w+\}/g, '*'));
    expect([...new Set(routes.map(routeKey))].sort()).toEqual(declared.sort());
  });

  it('is not gone round by a route for all methods, which would pass as none', () => {
    const paths = app.routes.filter(({ method }) => method === 'ALL').map(({ path }) => path);
    expect([...new Set(paths)]).toEqual(['/*']);
  });

  it('leaves open nothing but the probes, and the pages of the dashboard, which hold no figure', () => {
    const open = Object.keys(routeScopes).filter((route) => routeScopes[route] === 'open');
    expect(open).toEqual([
      'GET /v2/health/live',
      'GET /healthz',
      'GET /livez',
      'GET /v2/health/ready',
      'GET /readyz',
      'GET /dashboard',
      'GET /dashboard/{page}',
      'GET /dashboard/assets/{file}',
    ]);
  });
});
