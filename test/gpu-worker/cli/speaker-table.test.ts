// A speaker model from the command line: its table over recordings, and a detector that is calibrated on them.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeNpz } from '../../../gpu-worker/datasets/npz.ts';
import { speakerColumns } from '../../../gpu-worker/evaluate/speaker-table.ts';
import { readCompiledModel } from '../../../gpu-worker/extraction/compile-model.ts';
import { loadModel } from '../../../gpu-worker/onnx/model-file.ts';
import { detectorArtefactSchema } from '../../../shared/contracts/detector-artefact.ts';
import { nccrGuard } from '../../helpers/command-line.ts';
import { toneNet, toneSamples, toneWindows, writeToneFolder } from '../../helpers/tone-speakers.ts';

let folder: string;
const file = (name: string) => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nccr-guard-speaker-'));
  await writeFile(file('voices.onnx'), toneNet());
  await writeToneFolder(file('train'), 72, 1);
  const { samples, speakers } = toneWindows(36, 2);
  const x = { datatype: 'INT16', shape: [36, toneSamples], data: samples } as const;
  const y = { datatype: 'UINT8', shape: [36], data: Uint8Array.from(speakers) } as const;
  // The labels of these are of the next voice, so the model gets all of them wrong.
  const y_swapped = { ...y, data: Uint8Array.from(speakers, (who) => (who + 1) % 3) };
  await writeFile(file('test.npz'), writeNpz({ x, y }));
  await writeFile(file('swapped.npz'), writeNpz({ clean: x, clean_y: y, swapped: x, swapped_y: y_swapped }));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const recordings = () => ['--dataset', `wav:${file('train')}`, '--window-samples', String(toneSamples)];
const table = (...args: string[]) => {
  const sizes =
    '--threshold-windows 20 --copies 2 --bank-rows 4 --seeds 1 --slow-windows 3 --attacked-windows 9';
  const more = ['--test-dataset', `npz:${file('test.npz')}`, '--examples', file('examples')];
  return nccrGuard(
    'speaker',
    'table',
    file('voices.onnx'),
    ...recordings(),
    ...more,
    ...sizes.split(' '),
    ...args,
  );
};

describe('speaker table', () => {
  it('scores attacked, noisy and given windows, verifies them, and goes on from kept examples', async () => {
    const pooled = loadModel(toneNet()).graph.node.find(({ opType }) => opType === 'ReduceMean');
    const embedding = pooled!.output[0];
    const options = [
      '--embedding',
      embedding,
      '--adversarial',
      file('swapped.npz'),
      '--budgets',
      '0.006,0.015',
      '--noises',
      '0.001',
    ];
    const made = await table(...options, '--out', file('table.json'));
    expect(made.code, made.stderr).toBe(0);
    expect(made.stdout).toMatch(/names the speaker of 100\.0 % of the test windows/);
    expect(made.stdout).toMatch(/the paper, Table 5/);
    const found = JSON.parse(await readFile(file('table.json'), 'utf8'));
    const sets = Object.fromEntries(found.rows.map((row: { set: string }) => [row.set, row]));
    expect(Object.keys(sets)).toEqual(
      expect.arrayContaining([
        'clean',
        'noise 0.001',
        'pgd-fixed @0.015',
        'fgsm',
        'carlini-wagner',
        'fakebob @0.015',
      ]),
    );
    expect(sets['given swapped']).toMatchObject({
      adversarial: true,
      attacked: 36,
      windows: 36,
      utterances: 12,
    });
    expect(Object.keys(sets.clean.cells)).toEqual([
      ...Object.keys(speakerColumns),
      'margin',
      'MEH-FEST',
      'l2 of the scores',
    ]);
    for (const { auroc } of Object.values(sets.clean.cells) as { auroc: number }[]) expect(auroc).toBe(0.5);
    // The smallest examples lie on the boundary, where the margin is next to nothing.
    expect(sets.pgd.cells.margin.auroc).toBe(1);
    for (const kind of ['model', 'cosine', 'plda']) {
      expect(found.verification[kind].eer, kind).toBeLessThan(0.1);
      // What the model takes for another voice is less often accepted as its own than a clean window is.
      expect(sets['pgd-fixed @0.015'].verified[kind].own, kind).toBeLessThan(1);
    }
    const again = await table(...options, '--json');
    expect(JSON.parse(again.stdout)).toEqual(found);
  }, 240_000);

  it('refuses to test on what it trains on, and a file without labelled examples', async () => {
    const own = await nccrGuard('speaker', 'table', file('voices.onnx'), ...recordings());
    expect(own).toMatchObject({ code: 1, stderr: expect.stringMatching(/name other windows to test on/) });
    const bare = await table('--adversarial', file('test.npz'));
    expect(bare).toMatchObject({ code: 1, stderr: expect.stringMatching(/no arrays NAME and NAME_y/) });
  });
});

describe('detector calibrate on recordings', () => {
  it('makes a detector of layers under several noises, which compiles', async () => {
    const options =
      '--name voices --vector layer-levels --copies 2 --bank-rows 4 --images 72 --target-fpr 0.1';
    const made = await nccrGuard(
      'detector',
      'calibrate',
      file('voices.onnx'),
      ...recordings(),
      ...options.split(' '),
      '--budgets',
      '0.01',
      '--out',
      file('d.json'),
    );
    expect(made.code, made.stderr).toBe(0);
    const artefact = detectorArtefactSchema.parse(JSON.parse(await readFile(file('d.json'), 'utf8')));
    expect(artefact.plan).toMatchObject({
      input_range: [-1, 1],
      noise: [{ epsilon: 0.001 }, {}, { epsilon: 0.012 }],
    });
    // The rectified waves, their means and the scores, each at three strengths; a share of flips each, and the margin.
    const layers = artefact.plan.taps.length;
    expect(artefact.plan.taps.every(({ kind }) => kind === 'levels')).toBe(true);
    expect(artefact.vector).toEqual({ design: 'layer-levels', length: 3 * (layers + 1) + 1 });
    expect(artefact.calibration.attacks).toEqual([
      'fgsm-fixed',
      'pgd-fixed',
      'fgsm',
      'pgd',
      'carlini-wagner',
    ]);
    const compile = ['--name', 'voices', '--detector', file('d.json'), '--noise-key', file('k.key')];
    const compiled = await nccrGuard(
      'model',
      'compile',
      file('voices.onnx'),
      ...compile,
      '--out',
      file('m.onnx'),
    );
    expect(compiled.code, compiled.stderr).toBe(0);
    expect(readCompiledModel(await readFile(file('m.onnx'))).plan).toEqual(artefact.plan);
  }, 240_000);
});
