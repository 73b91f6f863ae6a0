// The table of docs/routes.md: every route with its scope, what it takes and what it answers, from the OpenAPI document.
import { routeScopes } from '../../edge/access/route-scopes.ts';
import { createApp } from '../../edge/app.ts';

const marks = ['<!-- written by `npm run docs` -->', '<!-- end of what is written -->'] as const;

interface Operation {
  readonly parameters?: readonly { readonly in: string; readonly name: string }[];
  readonly requestBody?: { readonly content?: Readonly<Record<string, unknown>> };
  readonly responses: Readonly<Record<string, { readonly description: string }>>;
}

/** The page with its table written anew. @throws Error where the page has no place for it */
export function withRoutesTable(page: string): string {
  const [start, end] = marks.map((mark) => page.indexOf(mark));
  if (start < 0 || end < start) throw new Error(`the page has no ${marks.join(' … ')}`);
  return `${page.slice(0, start)}${marks[0]}\n\n${routesTable()}\n\n${page.slice(end)}`;
}

function routesTable(): string {
  const document = createApp(nothing as Parameters<typeof createApp>[0]).getOpenAPI31Document({
    openapi: '3.1.0',
    info: { title: '', version: '' },
  });
  const rows = Object.entries(document.paths ?? {}).flatMap(([path, operations]) =>
    Object.entries(operations as Record<string, Operation>).map(([method, operation]) =>
      rowOf(`${method.toUpperCase()} ${path}`, operation),
    ),
  );
  return `| route | scope | takes | answers | refusals |\n|---|---|---|---|---|\n${rows.join('\n')}`;
}

/** Stands for whatever the routes are made with: they are listed here, and none is asked. */
const nothing: unknown = new Proxy(() => undefined, { get: () => nothing, apply: () => nothing });

function rowOf(route: string, { parameters = [], requestBody, responses }: Operation): string {
  const statuses = Object.keys(responses);
  const isDone = (status: string) => Number(status) < 400;
  const query = parameters.filter((each) => each.in === 'query').map(({ name }) => `\`?${name}\``);
  const takes = [...query, ...Object.keys(requestBody?.content ?? {})];
  const answers = statuses.filter(isDone).map((status) => `${status}: ${responses[status].description}`);
  const refusals = statuses.filter((status) => !isDone(status));
  const cells = [
    `\`${route}\``,
    routeScopes[route] ?? 'admin',
    takes.join(', '),
    answers.join(' '),
    refusals.join(', '),
  ];
  return `| ${cells.join(' | ')} |`;
}
