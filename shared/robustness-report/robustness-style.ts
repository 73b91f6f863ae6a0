// What the page of a robustness report adds to the look of every report.

/** Rules that follow `reportStyle`. */
export const robustnessStyle = `
figure { max-width: 52rem; margin: 1rem 0; }
.legend svg.key { width: 1.1rem; height: 1.1rem; margin-right: .3rem; }
svg .ticks text { font-size: 10px; fill: currentColor; }
svg .title { font-size: 11px; fill: currentColor; }
svg .grid { stroke: var(--rule); stroke-width: .6; fill: none; }
svg .axis { stroke: var(--quiet); stroke-width: 1; fill: none; }
svg .box { fill: var(--raised); stroke: var(--curve-1); stroke-width: 1.4; }
svg .whisker { stroke: var(--curve-1); stroke-width: 1.2; fill: none; }
svg .median { stroke: var(--ink); stroke-width: 2.4; }
svg .mean-mark { fill: var(--curve-2); stroke: var(--ground); stroke-width: .8; }
svg .outlier { fill: none; stroke: var(--quiet); stroke-width: .9; }
`;
