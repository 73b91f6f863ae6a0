import { describe, expect, it } from 'vitest';
import { robustnessReportSchema } from '../../../shared/contracts/robustness-report.ts';
import { compareModels, comparisonText, nccrText } from '../../../shared/robustness-report/compare-models.ts';
import { robustnessPage } from '../../../shared/robustness-report/robustness-page.ts';
import { robustModel, robustnessReportOf } from '../../helpers/robustness-report.ts';

const natural = robustModel('natural', [0.3, 0.32, 0.31]);
const trained = robustModel('trained', [0.1, 0.12, 0.11], '1');

describe('models in pairs', () => {
  it('are compared set by set, since the noise is the same', () => {
    const [found] = compareModels([trained, natural], 'relative');
    expect(found).toMatchObject({ above: 'natural', below: 'trained', setsAbove: 3, sets: 3, isSure: true });
    expect(found.difference).toBeCloseTo(0.2, 12);
    expect(comparisonText(found, 'relative')).toMatch(
      /^relative NCCR: natural above trained in 3 of 3 sets \(difference 0\.200/,
    );
  });

  it('are not told apart where the interval of the difference holds 0', () => {
    const wavering = robustModel('wavering', [0.2, 0.5, 0.3]);
    const [found] = compareModels([natural, wavering], 'l2');
    expect(found.isSure).toBe(false);
    expect(comparisonText(found, 'l2')).toMatch(/^raw l2 NCCR: .*: not told apart$/);
  });

  it('are as many as there are pairs, none for one model', () => {
    expect(compareModels([natural], 'l2')).toEqual([]);
    expect(compareModels([natural, trained, robustModel('other', [1, 2, 3])], 'l2')).toHaveLength(3);
  });

  it('have figures of three digits, and none that is not a number', () => {
    expect([0.06, 12.345, 1234.5, 0].map(nccrText)).toEqual(['0.0600', '12.3', '1235', '0.00']);
    expect(() => nccrText(Number.NaN)).toThrow(/not a number/);
  });
});

describe('the page of robustness', () => {
  it('has every model, section and figure, and loads nothing', async () => {
    const page = await robustnessPage(robustnessReportOf([natural, trained]));
    expect(page).toMatch(/^<!doctype html>[\s\S]*<\/html>\n$/);
    for (const text of [
      'trained: NCCR 0.110',
      'By layer',
      'conv1',
      'By class',
      'class 2',
      '25.0 %',
      'The sets of noise',
    ]) {
      expect(page).toContain(text);
    }
    expect(page).toContain('natural: median 0.310, mean 0.310');
    expect(page).not.toContain('<h2>Versions</h2>');
    expect(page).not.toMatch(/<script|<link|https?:|NaN|undefined/);
  });

  it('has the earlier versions where there are some, and says where nothing was attacked', async () => {
    const { relative, l2, name, digest } = natural;
    const earlier = [
      {
        name,
        digest,
        created_at: '2026-04-01T10:00:00.000Z',
        relative: { mean: 0.4, ci95: [0.3, 0.5] as [number, number] },
        l2: { mean: l2.mean, ci95: l2.ci95 },
        clean: 0.5,
        pgd: null,
      },
    ];
    const quiet = { ...natural, accuracy: { ...natural.accuracy, pgd: null } };
    const page = await robustnessPage(robustnessReportOf([quiet], { earlier, attack: null }));
    expect(relative.mean).toBeCloseTo(0.31);
    expect(page).toContain('<h2>Versions</h2>');
    expect(page).toContain('2026-04-01 10:00');
    expect(page).toContain('Nothing was attacked');
    expect(page).toMatch(/<td>–<\/td>/);
  });

  it('escapes names, whoever gave them', async () => {
    const page = await robustnessPage(
      robustnessReportOf([robustModel('<img src=x onerror=alert(1)>', [1, 2])]),
    );
    expect(page).not.toContain('<img');
    expect(page).toContain('&lt;img src=x');
  });
});

describe('the contract of a robustness report', () => {
  const report = robustnessReportOf([natural, trained]);
  const refused = (changed: unknown) =>
    robustnessReportSchema
      .safeParse(changed)
      .error?.issues.map(({ message }) => message)
      .join();

  it('takes what the command writes', () => {
    expect(robustnessReportSchema.parse(JSON.parse(JSON.stringify(report)))).toEqual(report);
  });

  it('refuses two models of one name, other counts of sets, boxes out of order and members that it does not know', () => {
    expect(refused({ ...report, models: [natural, natural] })).toMatch(/two have one name/);
    expect(refused({ ...report, noise: { ...report.noise, sets: 4 } })).toMatch(/not measured over 4 sets/);
    const { box } = natural.l2;
    const crooked = { ...natural, l2: { ...natural.l2, box: { ...box, median: 100 } } };
    expect(refused({ ...report, models: [crooked] })).toMatch(/not in order/);
    expect(refused({ ...report, verdict: 'fine' })).toMatch(/verdict/);
    expect(refused({ ...report, models: [] })).toBeDefined();
  });
});
