// The dashboard: pages without a single figure in them, and the code that fetches the figures as any other operator does.
import type { Context } from 'hono';
import { type DashboardPage, dashboardPages } from '../../shared/contracts/dashboard.ts';
import { GuardError } from '../../shared/errors.ts';
import { sha256Digest } from '../../shared/noise/noise-key.ts';
import type { Markup } from '../../shared/report/report-markup.ts';
import type { App, AppEnv, RouteDependencies } from '../routes/app-env.ts';
import { dashboardStyle } from './dashboard-style.ts';
import { drawPage } from './draw-page.ts';
import { type PageContent, pageFrame } from './page-frame.ts';
import { policiesPage } from './policies-page.ts';
import { reportPage } from './report-page.ts';
import { robustnessPage } from './robustness-page.ts';
import { scoresPage } from './scores-page.ts';
import { screeningsPage } from './screenings-page.ts';
import { verdictsPage } from './verdicts-page.ts';

const pages: Readonly<Record<DashboardPage, PageContent>> = {
  verdicts: verdictsPage,
  scores: scoresPage,
  policies: policiesPage,
  screenings: screeningsPage,
  report: reportPage,
  robustness: robustnessPage,
  draw: drawPage,
};

/**
 * What a page may do: run its own file, be styled by its own sheet, ask this origin. Scripts cannot make markup out of text.
 * No credential is in a cookie, so that no other site can have a browser use one.
 */
const strictPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/** The report of a screening, or of robustness, brings its own style, and is shown in a frame in which nothing runs. */
const reportPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const pageHeaders = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-cache',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), microphone=(), geolocation=()',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

/** Adds the routes. They ask for no credentials and hold nothing that would need any: every figure comes from a route that does. */
export function addDashboardRoutes(app: App, { dashboard }: Pick<RouteDependencies, 'dashboard'>): void {
  app.get('/dashboard', (context) => answerPage(context, 'verdicts'));
  app.get('/dashboard/:page', (context) => {
    const asked = context.req.param('page');
    const page = dashboardPages.find((name) => name === asked);
    if (page === undefined) throw new GuardError('not_found', 'there is no such page');
    return answerPage(context, page);
  });
  app.get('/dashboard/assets/:file', async (context) => {
    const asked = context.req.param('file');
    const isStyle = asked === 'style.css';
    const text = isStyle ? dashboardStyle : Object.hasOwn(dashboard, asked) ? dashboard[asked] : undefined;
    if (text === undefined) throw new GuardError('not_found', 'there is no such file');
    const headers = {
      ...pageHeaders,
      'content-type': `${isStyle ? 'text/css' : 'text/javascript'}; charset=utf-8`,
      etag: `"${await sha256Digest(new TextEncoder().encode(text))}"`,
    };
    if (context.req.header('if-none-match') === headers.etag) return context.body(null, 304, headers);
    return context.body(text, 200, headers);
  });
}

async function answerPage(context: Context<AppEnv>, page: DashboardPage): Promise<Response> {
  const markup: Markup = pageFrame(page, pages[page]);
  const policy = page === 'report' || page === 'robustness' ? reportPolicy : strictPolicy;
  return context.body(String(await markup), 200, { ...pageHeaders, 'content-security-policy': policy });
}
