// The dashboard's colours can be read in light and dark: contrasts by WCAG 2.2, 1.4.3 (4.5 for text) and 1.4.11 (3 for the rest).
import { describe, expect, it } from 'vitest';
import { dashboardStyle } from '../../../edge/dashboard/dashboard-style.ts';

/** The custom properties of one scheme: the sheet names those of light before those of dark, twice. */
function colors(scheme: 'light' | 'dark'): Record<string, string> {
  const named = [...dashboardStyle.matchAll(/--([\w-]+): (#[0-9a-f]{6})/g)];
  const pick = new Map<string, string[]>();
  for (const [, name, color] of named) pick.set(name, [...(pick.get(name) ?? []), color]);
  return Object.fromEntries(Array.from(pick, ([name, found]) => [name, found[scheme === 'light' ? 0 : 1]]));
}

/** Relative luminance of an sRGB colour. */
function luminance(color: string): number {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(color.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one: string, other: string): number {
  const [darker, lighter] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (lighter + 0.05) / (darker + 0.05);
}

describe.each(['light', 'dark'] as const)('the colours of %s', (scheme) => {
  const color = colors(scheme);

  it.each(['ink', 'quiet', 'warn', 'good'])('let text in %s be read on both grounds', (text) => {
    for (const ground of ['ground', 'raised']) {
      expect(contrast(color[text], color[ground]), `${text} on ${ground}`).toBeGreaterThanOrEqual(4.5);
    }
  });

  it('let the writing of the first button be read, and the focus be seen', () => {
    expect(contrast(color.ground, color.focus)).toBeGreaterThanOrEqual(4.5);
    expect(contrast(color.focus, color.raised)).toBeGreaterThanOrEqual(3);
  });

  it('let bars be seen', () => {
    for (const bar of ['curve-1', 'curve-2']) {
      expect(contrast(color[bar], color.ground), bar).toBeGreaterThanOrEqual(3);
    }
  });
});
