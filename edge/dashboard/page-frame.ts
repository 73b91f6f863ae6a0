// What every page of the dashboard has around its content: the way to the others, signing in, and what is said aloud.
import { html } from 'hono/html';
import type { DashboardPage } from '../../shared/contracts/dashboard.ts';
import type { Markup } from '../../shared/report/report-markup.ts';

/** What a page is made of. */
export interface PageContent {
  readonly title: string;
  /** What the page shows, in a sentence. */
  readonly lead: string;
  readonly body: Markup;
}

/** Pages that the navigation leads to; the others are reached from these. */
const navigation: readonly { readonly page: DashboardPage; readonly label: string }[] = [
  { page: 'verdicts', label: 'Verdicts' },
  { page: 'scores', label: 'Scores' },
  { page: 'policies', label: 'Policies' },
  { page: 'screenings', label: 'Screenings' },
  { page: 'robustness', label: 'Robustness' },
  { page: 'draw', label: 'Draw and attack' },
];

/** Pages that are no entry of the navigation, and which entry they belong to. */
const under: Partial<Record<DashboardPage, DashboardPage>> = { report: 'screenings' };

/** Writes the page around its content. */
export function pageFrame(current: DashboardPage, { title, lead, body }: PageContent): Markup {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · nccr-guard</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/dashboard/assets/style.css">
<script type="module" src="/dashboard/assets/${current}.js"></script>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header class="bar">
<p class="brand">nccr-guard</p>
<nav aria-label="Dashboard"><ul>
${navigation.map(({ page, label }) => navigationEntry({ page, label, current: under[current] ?? current }))}
</ul></nav>
<button type="button" id="sign-out" class="plain" hidden>Sign out</button>
</header>
<main id="main" tabindex="-1">
<h1>${title}</h1>
<p class="quiet">${lead}</p>
<noscript><p class="notice">This page shows nothing without JavaScript: it fetches its figures with your token.</p></noscript>
<p id="problem" class="notice" role="alert" hidden></p>
<form id="sign-in" class="panel" hidden>
<h2>Sign in</h2>
<p>The dashboard shows what credentials with the scope <code>admin</code> may see: the operators' token, or an API key with that scope.
It is kept for this tab alone and forgotten with it.</p>
<p><label for="token">Token</label>
<input id="token" type="password" autocomplete="off" autocapitalize="off" spellcheck="false" required></p>
<button type="submit">Sign in</button>
</form>
<p id="status" class="quiet" role="status"></p>
<div id="content" hidden>
${body}
</div>
</main>
</body>
</html>
`;
}

function navigationEntry({
  page,
  label,
  current,
}: {
  page: DashboardPage;
  label: string;
  current: DashboardPage;
}): Markup {
  return page === current
    ? html`<li><a href="/dashboard/${page}" aria-current="page">${label}</a></li>
`
    : html`<li><a href="/dashboard/${page}">${label}</a></li>
`;
}
