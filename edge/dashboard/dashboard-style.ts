// How the dashboard looks: the reports' look, and what a page needs that is worked with.
import { reportStyle } from '../../shared/report/report-style.ts';

export const dashboardStyle = `${reportStyle}
:root { --good: #00704f; --focus: #0060a8; }
@media screen and (prefers-color-scheme: dark) { :root { --good: #4fd6a8; --focus: #7db9ff; } }
[hidden] { display: none !important; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; }
iframe:focus { outline: 3px solid var(--focus); }
main:focus, h2:focus { outline: none; }
a { color: inherit; text-underline-offset: .2em; }
code, pre { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; font-size: .875em; }
pre { overflow: auto; max-height: 50vh; padding: .75rem; background: var(--raised); }
.skip { position: absolute; left: .5rem; top: -4rem; padding: .5rem 1rem; background: var(--ground); z-index: 2; }
.skip:focus { top: .5rem; }
.bar { display: flex; flex-wrap: wrap; align-items: center; gap: .25rem 1.5rem; padding: .6rem 1.25rem; background: var(--raised); border-bottom: 1px solid var(--rule); }
.brand { margin: 0; font-weight: 700; }
.bar nav { flex: 1 1 auto; }
.bar ul { display: flex; flex-wrap: wrap; gap: .1rem .25rem; margin: 0; padding: 0; list-style: none; }
.bar li { margin: 0; }
.bar a { display: block; padding: .35rem .6rem; border-radius: .3rem; text-decoration: none; }
.bar a:hover { background: var(--ground); }
.bar a[aria-current] { background: var(--ground); font-weight: 650; box-shadow: inset 0 -2px 0 var(--focus); }
main { padding-top: 1.5rem; }
h2 { margin-top: 1.75rem; }
button, select, input { font: inherit; color: inherit; min-height: 2.4rem; padding: .3rem .7rem; background: var(--ground); border: 1px solid var(--quiet); border-radius: .3rem; }
input[type=checkbox] { min-height: 0; width: 1.15rem; height: 1.15rem; vertical-align: -.2rem; accent-color: var(--focus); }
button { background: var(--raised); cursor: pointer; font-weight: 550; }
button:hover:not(:disabled) { border-color: var(--ink); }
button[type=submit], .primary { background: var(--focus); border-color: var(--focus); color: var(--ground); }
button:disabled, select:disabled { color: var(--quiet); background: var(--raised); border-color: var(--rule); cursor: not-allowed; }
.plain { background: none; }
.small { min-height: 1.9rem; padding: .1rem .6rem; font-size: .85rem; }
.notice, .panel { padding: .8rem 1rem; background: var(--raised); border-left: 4px solid var(--warn); }
.notice { overflow-wrap: anywhere; }
.panel { border-left-color: var(--focus); max-width: 34rem; }
.panel h2 { margin-top: 0; }
.panel input { width: 100%; margin: .2rem 0 .3rem; }
.controls { display: flex; flex-wrap: wrap; gap: .5rem 1.25rem; align-items: center; margin: 1rem 0 .5rem; }
.controls p { margin: 0; }
.controls label { margin-right: .35rem; }
.actions { display: flex; flex-wrap: wrap; gap: .5rem .75rem; align-items: center; margin-top: 1rem; }
.scroll { position: relative; }
thead th:first-child { font-weight: 600; }
caption { text-align: left; padding-bottom: .3rem; }
.list { width: 100%; }
.list th, .list td { text-align: left; vertical-align: middle; min-width: 0; padding: .4rem .6rem; }
.list .number { text-align: right; }
tr.new { animation: arrive 2s ease-out; }
@keyframes arrive { from { background: var(--raised); } }
@media (prefers-reduced-motion: reduce) { tr.new { animation: none; } }
.verdict { display: inline-flex; align-items: center; gap: .35rem; font-weight: 600; white-space: nowrap; }
.verdict.block, .verdict.error, .verdict.failed { color: var(--warn); }
.verdict.allow, .verdict.completed { color: var(--good); }
.facts { display: grid; grid-template-columns: minmax(7rem, max-content) 1fr; gap: .3rem 1.25rem; margin: .8rem 0; }
.facts dt { color: var(--quiet); }
.facts dd { margin: 0; overflow-wrap: anywhere; }
dialog { width: min(46rem, calc(100vw - 2rem)); max-height: calc(100dvh - 2rem); padding: 1.25rem; color: var(--ink); background: var(--ground); border: 1px solid var(--quiet); border-radius: .5rem; }
dialog::backdrop { background: rgb(0 0 0 / 55%); }
dialog h2 { margin-top: 0; }
.headline.calm { border-left-color: var(--curve-3); }
.headline.calm .label { color: var(--ink); }
.swatch { display: inline-block; width: 1.1rem; height: .8rem; margin-right: .45rem; vertical-align: -.05rem; background: var(--curve-1); }
.swatch.over { background: var(--curve-2); }
.swatch.outline { background: none; border: 2px solid var(--ink); }
.swatch.line { width: 0; height: 1rem; margin: 0 .9rem 0 .5rem; background: none; border-left: 2px dashed var(--ink); vertical-align: -.2rem; }
svg text { font-size: 12px; fill: currentColor; }
svg .under { fill: var(--curve-1); }
svg .over { fill: var(--curve-2); }
svg .expected { stroke: var(--ink); stroke-width: 2; stroke-linejoin: round; fill: none; }
svg .axis { stroke: var(--quiet); fill: none; }
svg .threshold { stroke: var(--ink); stroke-width: 2; stroke-dasharray: 6 4; }
svg .band { fill: var(--raised); }
svg .dot { stroke: var(--ground); stroke-width: 2; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); gap: 0 2.5rem; }
.field { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: .25rem .9rem; align-items: center; margin: .45rem 0; }
.field input, .field select { width: 100%; }
fieldset { margin: 1.25rem 0 0; padding: .5rem 1rem .75rem; border: 1px solid var(--rule); border-radius: .3rem; }
legend { padding: 0 .4rem; color: var(--quiet); }
.diff { width: 100%; table-layout: fixed; }
.diff th, .diff td { text-align: left; white-space: normal; overflow-wrap: anywhere; min-width: 0; }
.diff .old { color: var(--warn); text-decoration: line-through; }
.diff .value { color: var(--good); font-weight: 600; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); gap: 1rem; padding: 0; list-style: none; }
.cards > li, .view { max-width: none; margin: 0; padding: .9rem 1rem; background: var(--raised); border-radius: .4rem; }
.cards h2, .cards h3 { margin: 0 0 .3rem; font-size: 1rem; overflow-wrap: anywhere; }
progress { width: 100%; height: .8rem; accent-color: var(--focus); }
#report { display: block; width: 100%; height: 75vh; margin-top: 1rem; border: 1px solid var(--rule); }
#stage { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); gap: 0 2.5rem; }
.board { width: min(100%, 22rem); }
canvas { display: block; width: 100%; aspect-ratio: 1; background: #000; border: 1px solid var(--quiet); image-rendering: pixelated; touch-action: none; cursor: crosshair; }
.views { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); gap: 1.25rem; }
.view h3 { margin: 0 0 .5rem; font-size: 1rem; }
.view canvas { width: 9rem; cursor: default; }
.view svg { display: block; width: 100%; max-width: 24rem; }
.pictures { display: flex; flex-wrap: wrap; gap: .75rem; margin: 0 0 .6rem; }
.pictures figcaption { font-weight: 400; color: var(--quiet); }
.versions { padding: 0; list-style: none; }
.versions li { display: flex; flex-wrap: wrap; gap: .3rem .9rem; align-items: center; justify-content: space-between; padding: .5rem 0; border-bottom: 1px solid var(--rule); max-width: none; }
@media (max-width: 40rem) {
  main { padding: 1rem .9rem 3rem; }
  .bar { padding: .5rem .6rem; }
  .list .wide { display: none; }
  .field, .facts { grid-template-columns: 1fr; }
  .facts dd { margin-bottom: .4rem; }
  .list th, .list td { padding: .4rem .35rem; }
}
`;
