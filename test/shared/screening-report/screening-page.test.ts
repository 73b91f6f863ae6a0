import { beforeAll, describe, expect, it } from 'vitest';
import type { ScreeningReport } from '../../../shared/contracts/screening-report.ts';
import { parseReport, reportJson } from '../../../shared/screening-report/report-json.ts';
import { screeningPage, screeningPagePolicy } from '../../../shared/screening-report/screening-page.ts';
import { screenedReport } from '../../helpers/screened-report.ts';

/** What a reader sees: text without markup. */
function textOf(page: string): string {
  return page
    .replace(/<style>[\s\S]*?<\/style>/, '')
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll(/\s+/g, ' ');
}

/** Every number that stands in a path or an attribute of place. */
function coordinates(svg: string): number[] {
  const places = [...svg.matchAll(/ (?:d|x|y)="([^"]*)"/g)].map((match) => match[1]);
  return places.flatMap((place) => (place.match(/-?\d+(\.\d+)?/g) ?? []).map(Number));
}

let report: ScreeningReport;
let page: string;
let text: string;
beforeAll(async () => {
  report = await screenedReport({
    truth: {
      poison: 200,
      true_positives: 199,
      false_positives: 1,
      false_negatives: 1,
      f1: 0.995,
      planted: [1, 3],
      false_classes: [],
      missed_classes: [4],
    },
    times: { started_at: '2026-05-04T03:02:01Z', finished_at: '2026-05-04T03:12:01Z' },
  });
  page = await screeningPage(report);
  text = textOf(page);
});

describe('the page of a screening', () => {
  it('opens with the verdict in one sentence, the poisoned classes and their suspects', () => {
    // Six classes, of which 5 has 20 examples; 5 % of 2,400 and 40 % of 200 are poison.
    expect(text).toMatch(
      /Poison found 2 of 5 judged classes are poisoned\. 200 of 3,350 examples are suspects\./,
    );
    expect(text).toContain('Class 1 (one) : 120 suspects among 2,400 examples (5.0 %).');
    expect(text).toContain('Class 3 (three) : 80 suspects among 200 examples (40.0 %).');
    expect(text).toContain('1 class is too small to judge (20 examples)');
  });

  it('tells how many outliers a class has and which, where it has any', async () => {
    expect(text).not.toMatch(/\d outliers|Set aside/);
    const [first, ...others] = report.screening.verdicts;
    if (first.verdict === 'too_small') throw new Error('the first class is judged');
    const verdicts = [{ ...first, outliers: 7, outlier_rows: [4, 18, 1_900] }, ...others];
    const page = await screeningPage({ ...report, screening: { ...report.screening, verdicts } });
    expect(textOf(page)).toContain('7 outliers');
    expect(textOf(page)).toMatch(/Set aside .* 7 4, 18, 1900 and 4 more/);
  });

  it('says first what is known of the truth, and nothing where nothing is', async () => {
    expect(text).toContain(
      'Against the truth: F1 0.9950. 199 of 200 planted examples found, 1 other suspected.',
    );
    expect(text).toContain('Missed classes: class 4 (four).');
    expect(text.indexOf('Against the truth')).toBeLessThan(text.indexOf('All classes'));
    const { truth: _, ...unknown } = report;
    expect(textOf(await screeningPage(unknown))).not.toContain('truth');
  });

  it('has every class with its figures', () => {
    for (const verdict of report.screening.verdicts) {
      const row = page.match(new RegExp(`<tr><th scope="row">Class ${verdict.label} .*</tr>`))![0];
      if (verdict.verdict === 'too_small') {
        expect(row).toContain('too small');
        continue;
      }
      expect(row).toContain(verdict.verdict);
      expect(row).toContain(`>${verdict.separation.toFixed(2)}<`);
      expect(row).toContain(verdict.silhouette.toFixed(3));
      for (const { entropy_bits } of verdict.clusters) expect(row).toContain(`>${entropy_bits.toFixed(2)}<`);
    }
  });

  it('draws both plots of every pictured class, inside their frames, named and described', () => {
    const plots = page.match(/<svg viewBox="0 0 320 232"[\s\S]*?<\/svg>/g)!;
    expect(plots).toHaveLength(2 * report.pictures.length);
    for (const plot of plots) {
      const [, title, description] = plot.match(/aria-labelledby="(\S+) (\S+)"/)!;
      expect(plot).toMatch(
        new RegExp(`<title id="${title}">[^<]+</title><desc id="${description}">[^<]+</desc>`),
      );
      for (const value of coordinates(plot)) {
        expect(value).toBeGreaterThanOrEqual(-10);
        expect(value).toBeLessThanOrEqual(320);
      }
    }
    const ids = [...page.matchAll(/ id="([^"]+)"/g)].map((match) => match[1]);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('has a mark for every point, of one shape a cluster', () => {
    const [plot] = page.match(/<svg [^>]*aria-labelledby="scatter-3-title[\s\S]*?<\/svg>/)!;
    // 80 poisoned examples as triangles, 120 others as dots.
    expect(plot.match(/l3 5h-6z/g)).toHaveLength(80);
    expect(plot.match(/M[\d.]+ [\d.]+h0/g)).toHaveLength(120);
  });

  it('shows the likeliest suspects in order, as images inside the page', () => {
    const [, first] = page.match(/<ul class="thumbnails">([\s\S]*?)<\/ul>/)!;
    const [verdict] = report.screening.verdicts.filter((each) => each.verdict === 'poisoned');
    const rows = [
      ...first.matchAll(/<img src="data:image\/png;base64,[A-Za-z0-9+/=]+" alt="example (\d+), /g),
    ];
    expect(rows.map((match) => Number(match[1]))).toEqual(
      verdict.suspects.slice(0, 24).map(({ row }) => row),
    );
  });

  it('leaves out a name that is but the number of its class', async () => {
    const class_names = ['zero', '01', '2', '003', '1e1'];
    const named = textOf(await screeningPage({ ...report, dataset: { ...report.dataset, class_names } }));
    expect(named).toContain('Class 1 : 120 suspects');
    expect(named).toContain('Class 3 : 80 suspects');
    expect(named).toContain('Class 4 (1e1)');
  });

  it('says how it was decided and what it cannot see', () => {
    for (const words of ['Ashman’s D', 'Clean-label', 'One-to-one', 'fewer than 80 examples', 'adaptive']) {
      expect(text).toContain(words);
    }
  });

  it('says what was screened, with what and when', () => {
    for (const words of [
      report.dataset.digest,
      report.model.digest,
      'seed 7',
      '2026-05-04T03:02:01Z to 2026-05-04T03:12:01Z',
      'nccr-guard 0.1.0',
    ]) {
      expect(text).toContain(words);
    }
  });

  it('loads nothing and runs nothing', () => {
    const withoutImages = page.replaceAll(/src="data:image\/png;base64,[^"]*"/g, '');
    expect(withoutImages).not.toMatch(
      /https?:|\bsrc=|\bhref=|url\(|@import|<script|<link|<iframe|\bon\w+=|style="/i,
    );
    expect(page).toContain(`content="${screeningPagePolicy}"`);
    expect(page).not.toMatch(/NaN|Infinity|undefined|\[object/);
  });

  it('escapes every name that it is given', async () => {
    const evil = '</title><script>alert("1")</script>&\'';
    const hostile = await screeningPage({
      ...report,
      id: evil,
      dataset: { ...report.dataset, name: evil, format: evil, class_names: ['zero', evil, evil, evil] },
      model: { ...report.model, name: evil },
      versions: { [evil]: evil },
      suspect_files: report.suspect_files!.map(({ row }) => ({
        row,
        name: `"><img src=x onerror=1>${evil}`,
      })),
    });
    expect(hostile).not.toMatch(/<script|<img src=x|alert\("/);
    expect(hostile).toContain('&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;');
    const clean = [...page.matchAll(/<(\/?\w+)/g)].map((match) => match[1]);
    expect([...hostile.matchAll(/<(\/?\w+)/g)].map((match) => match[1])).toEqual([
      // One row of facts more: the id.
      ...clean.slice(0, clean.lastIndexOf('tbody') + 1),
      'tr',
      'th',
      '/th',
      'td',
      '/td',
      '/tr',
      ...clean.slice(clean.lastIndexOf('tbody') + 1),
    ]);
  });

  it('is the same to the byte for the same report, read back from JSON as well', async () => {
    expect(await screeningPage(report)).toBe(page);
    expect(await screeningPage(parseReport(reportJson(report)))).toBe(page);
  });

  it('says calmly that nothing was found, or that nothing could be judged', async () => {
    const { truth: _, suspect_files: __, ...plain } = report;
    const verdicts = report.screening.verdicts.filter(({ verdict }) => verdict !== 'poisoned');
    const screening = { ...report.screening, verdicts, poisoned: [] };
    const clean = textOf(await screeningPage({ ...plain, screening, thumbnails: [] }));
    expect(clean).toContain('No poison found None of the 3 judged classes is poisoned.');
    const small = verdicts.slice(-1);
    const none = { ...screening, verdicts: small, examples: 20 };
    const unjudged = await screeningPage({ ...plain, screening: none, pictures: [], thumbnails: [] });
    expect(textOf(unjudged)).toContain('Not judged No class has enough examples to be judged.');
    expect(unjudged).not.toContain('320 232');
  });

  it('says where the direction is weak and images are missing', async () => {
    const verdicts = report.screening.verdicts.map((verdict) =>
      verdict.verdict === 'poisoned' ? { ...verdict, direction: 'weak' as const } : verdict,
    );
    const weak = await screeningPage({
      ...report,
      screening: { ...report.screening, verdicts },
      thumbnails: [],
      pictures: [],
    });
    expect(textOf(weak)).toContain('the smaller one was taken. Look at both.');
    expect(weak).not.toContain('<img');
  });

  it('stays within a few megabytes for a thousand classes', async () => {
    // All pictures and thumbnails that the bounds allow, at their largest: 60 pictures of 1,000 points.
    const [poisoned] = report.screening.verdicts.filter((verdict) => verdict.verdict === 'poisoned');
    const points = Array.from({ length: 500 }, (_, index): [number, number] => [index / 7, -index / 3]);
    const silhouettes = Array.from({ length: 250 }, (_, index) => 1 - index / 251);
    const cluster = { points, silhouettes };
    const large = await screeningPage({
      ...report,
      screening: {
        ...report.screening,
        classes: 1000,
        verdicts: Array.from({ length: 1000 }, (_, label) => ({ ...poisoned, label })),
      },
      pictures: Array.from({ length: 60 }, (_, label) => ({
        label,
        clusters: [cluster, cluster],
        ordinary_rows: [],
      })),
      thumbnails: [],
    });
    expect(large.length).toBeLessThan(4_000_000);
  });
});
