// The pages of the dashboard: each has a file of browser code of its name.

/** By the last segment of their addresses. */
export const dashboardPages = [
  'verdicts',
  'scores',
  'policies',
  'screenings',
  'report',
  'robustness',
  'draw',
] as const;
export type DashboardPage = (typeof dashboardPages)[number];
