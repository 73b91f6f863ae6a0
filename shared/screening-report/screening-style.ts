// What the page of a screening adds to the look of every report.

/** Rules that follow `reportStyle`. */
export const screeningStyle = `
.headline.calm { border-left-color: var(--curve-3); }
.headline.calm .label { color: var(--ink); }
.headline ul { margin: .6rem 0 0; padding-left: 1.2rem; }
.pictured { margin: 1rem 0 0; }
.pictured figcaption span { white-space: nowrap; }
.pictured .quiet { font-weight: 400; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 16rem), 1fr)); gap: .75rem 1.25rem; max-width: 56rem; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 33rem), 1fr)); gap: 1.5rem 2rem; }
.key { white-space: nowrap; margin-right: .9rem; font-weight: 400; }
.key svg, figcaption .key svg { display: inline-block; width: 1.1em; height: 1.1em; margin-right: .25em; vertical-align: -.15em; }
svg .ticks text { font-size: 10px; fill: currentColor; }
svg .title { font-size: 11px; fill: currentColor; }
svg .grid { stroke: var(--rule); stroke-width: .6; fill: none; }
svg .axis { stroke: var(--quiet); stroke-width: 1; fill: none; }
svg .mean { stroke: var(--ink); stroke-width: 1.4; stroke-dasharray: 5 3; fill: none; }
svg .rest { stroke: var(--curve-1); stroke-width: 3.2; stroke-linecap: round; stroke-opacity: .65; fill: none; }
svg .smaller { stroke: var(--curve-3); stroke-width: 1.1; fill: none; }
svg .suspect { fill: var(--curve-2); fill-opacity: .8; stroke: var(--ground); stroke-width: .4; }
svg .band { stroke: none; fill-opacity: 1; }
svg .band.rest { fill: var(--curve-1); }
svg .band.smaller { fill: var(--curve-3); }
.thumbnails { display: flex; flex-wrap: wrap; gap: .6rem; list-style: none; padding: 0; margin: .8rem 0; }
.thumbnails li { width: 4.25rem; margin: 0; font-size: .75rem; line-height: 1.3; text-align: center; color: var(--quiet); font-variant-numeric: tabular-nums; }
.thumbnails img { display: block; width: 4.25rem; height: 4.25rem; object-fit: contain; background: var(--raised); border: 1px solid var(--quiet); image-rendering: pixelated; }
.thumbnails b { color: var(--ink); font-weight: 600; }
.facts th { min-width: 0; white-space: nowrap; }
.facts td { text-align: left; white-space: normal; overflow-wrap: anywhere; }
th.word, td.word { text-align: left; }
th small { display: block; font-weight: 400; color: var(--quiet); white-space: nowrap; }
@media print {
  .gallery { grid-template-columns: 1fr 1fr; }
  .pair { grid-template-columns: 1fr 1fr; max-width: 15cm; }
  .thumbnails li { break-inside: avoid; }
}
`;
