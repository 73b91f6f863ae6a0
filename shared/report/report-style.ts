// How a report page looks: light and dark, on a phone and on paper.

/** Colours of curves as custom properties of {@link reportStyle}; the last is the colour of the text. */
export const curveColors = [
  'var(--curve-1)',
  'var(--curve-2)',
  'var(--curve-3)',
  'var(--curve-4)',
  'var(--ink)',
] as const;

/**
 * The hues of Okabe and Ito, "Color Universal Design" (2008), moved in lightness until each has a contrast of at least 3 to
 * its ground (WCAG 2.2, 1.4.11) and any two lie 0.1 or more apart in OKLab, for normal sight and each dichromacy as Machado,
 * Oliveira and Fernandes (2009) simulate it.
 */
const light = `
  color-scheme: light;
  --ground: #ffffff; --raised: #f4f6f8; --ink: #1d2329; --quiet: #59636e; --rule: #d5dae0; --warn: #a33c00;
  --curve-1: #0060a8; --curve-2: #d55e00; --curve-3: #009e73; --curve-4: #8a2a6b;`;
const dark = `
  color-scheme: dark;
  --ground: #14181d; --raised: #1e242b; --ink: #e6e9ec; --quiet: #a3adb8; --rule: #38414b; --warn: #ff9e66;
  --curve-1: #3d93f5; --curve-2: #e67a2e; --curve-3: #4fd6a8; --curve-4: #b84f96;`;

/** The style sheet of a report page. */
export const reportStyle = `
:root {${light}
}
@media screen and (prefers-color-scheme: dark) { :root {${dark}
} }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 76rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.75rem 0 .35rem; }
p { max-width: 46rem; margin: .4rem 0; }
.quiet { color: var(--quiet); font-size: .9rem; overflow-wrap: anywhere; }
.headline { margin: 1.5rem 0 0; padding: 1.1rem 1.25rem; background: var(--raised); border-left: 4px solid var(--warn); }
.headline .label { margin: 0; color: var(--warn); font-weight: 600; }
.headline .figure { margin: .1rem 0; max-width: none; font-size: 1.6rem; line-height: 1.25; font-weight: 650; }
.scroll { overflow-x: auto; margin: .8rem 0; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .7rem; text-align: right; vertical-align: top; border-bottom: 1px solid var(--rule); }
thead th { vertical-align: bottom; font-weight: 600; min-width: 5.2rem; border-bottom: 2px solid var(--rule); }
thead th.group { text-align: center; color: var(--quiet); border-bottom: 1px solid var(--rule); }
th:first-child { text-align: left; font-weight: 500; position: sticky; left: 0; background: var(--ground); min-width: 9rem; }
.headline th:first-child { background: var(--raised); }
thead th:empty { border-bottom-color: transparent; }
td small { display: block; font-weight: 400; color: var(--quiet); font-size: .9em; white-space: nowrap; }
td { white-space: nowrap; }
.edge { border-left: 2px solid var(--rule); }
.best { font-weight: 700; }
.mark { color: var(--warn); font-weight: 700; }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.4rem; list-style: none; padding: 0; margin: .8rem 0; font-size: .9rem; }
.legend svg { width: 2.4rem; height: .6rem; margin-right: .45rem; vertical-align: middle; }
.curves { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr)); gap: 1.25rem; }
figure { margin: 0; }
figcaption { font-weight: 600; font-size: .9rem; }
figure svg { display: block; width: 100%; height: auto; color: var(--quiet); font-family: inherit; }
li { max-width: 46rem; margin: .25rem 0; }
@media print {
  @page { size: A4 landscape; margin: 12mm; }
  body { font-size: 10pt; print-color-adjust: exact; }
  main { max-width: none; padding: 0; }
  .scroll { overflow: visible; }
  table { font-size: 7.5pt; }
  th, td { padding: .2rem .35rem; }
  th:first-child { position: static; min-width: 0; }
  thead th { min-width: 0; }
  .curves { grid-template-columns: repeat(3, 1fr); }
  h2 { break-after: avoid; }
  tr, figure, .headline, li { break-inside: avoid; }
}
`;
