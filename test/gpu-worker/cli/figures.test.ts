import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { activationFigure } from '../../../gpu-worker/evaluate/figure-charts.ts';
import type { Separation } from '../../../gpu-worker/evaluate/figures-page.ts';
import { lenetFile, nccrGuard } from '../../helpers/command-line.ts';

const recipe = join(import.meta.dirname, '../../../gpu-worker/triggers/recipes/digits-badnets-t7-10.json');
const small = [
  '--dataset',
  'synthetic-digits:20',
  '--images',
  '20',
  '--sets',
  '2',
  '--epsilon',
  '0.3',
  '--engine',
  'cpu',
];

describe('figures', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'figures-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('draws Figures 1, 3, 4 and 5 as files that stand alone, and one page of them', async () => {
    const [out, html] = [join(folder, 'all'), join(folder, 'page.html')];
    const examples = [...small, '--attack', 'pgd-fixed', '--recipe', recipe];
    const run = await nccrGuard('figures', lenetFile, ...examples, '--out', out, '--html', html, '--json');
    expect(run.code, run.stderr).toBe(0);
    const separations: Separation[] = JSON.parse(run.stdout);
    expect(separations.map(({ name }) => name)).toEqual([
      'pgd-fixed',
      'with the trigger (badnets)',
      'with the trigger (badnets)',
    ]);
    // Noise that destroys an image changes more than noise that can hardly be seen.
    expect(separations[2].cleanMean).toBeGreaterThan(separations[1].cleanMean);
    expect((await readdir(out)).sort()).toEqual(['1', '3', '4', '5'].map((number) => `figure-${number}.svg`));
    for (const name of await readdir(out)) {
      const svg = await readFile(join(out, name), 'utf8');
      expect(svg).toMatch(/^<svg [^>]*xmlns="http:\/\/www\.w3\.org\/2000\/svg"[\s\S]*<\/svg>$/);
      expect(svg).toContain('#ffffff');
      expect(svg).not.toMatch(/NaN|undefined|var\(/);
    }
    const scatter = await readFile(join(out, 'figure-4.svg'), 'utf8');
    // Two colours, a circle and a triangle for each image, and a dashed line beside a whole one.
    for (const color of ['#0072b2', '#d55e00']) expect(scatter).toContain(color);
    expect(scatter).toContain('stroke-dasharray="6,3"');
    const page = await readFile(html, 'utf8');
    expect(page).toContain('Figure 5: clean and poisoned images under noise of 256 of 255');
    expect(page).toContain('it does not have this backdoor');
    expect(page).not.toMatch(/<script|<link|src=/);
  });

  it('leaves Figures 4 and 5 out where no trigger is given, and keeps what attacks find', async () => {
    const args = ['--attack', 'fgsm-fixed', '--out', join(folder, 'two'), '--examples', join(folder, 'kept')];
    const run = await nccrGuard('figures', lenetFile, ...small, ...args);
    expect(run.code, run.stderr).toBe(0);
    expect(run.stdout).toMatch(
      /^fgsm-fixed: mean NCCR .* AUROC [01]\.\d+\ndrew figure-1\.svg, figure-3\.svg$/m,
    );
    expect(await readdir(join(folder, 'two'))).toHaveLength(2);
    expect(await readdir(join(folder, 'kept'))).toHaveLength(1);
  });

  it('refuses what it cannot draw, and writes nothing', async () => {
    const out = ['--out', join(folder, 'none')];
    for (const [args, why] of [
      [['--layer', 'nowhere'], /no tensor nowhere/],
      [['--sets', '1'], /--sets is from 2 to 30/],
      [['--images', '21'], /21 images are asked for/],
      [['--recipe', lenetFile], /is not JSON/],
      [['--attack', 'gaussian-noise', '--epsilon', '0.001'], /gaussian-noise turns none of the \d+ images/],
    ] as const) {
      const run = await nccrGuard('figures', lenetFile, ...small, ...out, ...args);
      expect(run, args.join(' ')).toMatchObject({ code: 1, stderr: expect.stringMatching(why) });
    }
    expect(await readdir(folder)).not.toContain('none');
  });
});

describe('a figure', () => {
  it('names each image by its label and, where that is another, by what the model says', async () => {
    const row = { kind: 'clean' as const, image: 1, label: 3, predicted: 5, values: Float32Array.of(0, 1) };
    const svg = await activationFigure([row, { ...row, image: 2, predicted: 3 }], 'fc2');
    expect(svg).toContain('>1: 3 as 5<');
    expect(svg).toContain('>2: 3<');
    expect(svg).toContain('neurons of fc2');
  });
});
