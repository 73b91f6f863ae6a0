// The x-vector at hand: identification and verification by three kinds of scores, as the data set's description states them.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { predictedLabel } from '../../../gpu-worker/attacks/attack.ts';
import { mehFest } from '../../../gpu-worker/baselines/meh-fest.ts';
import type { Dataset } from '../../../gpu-worker/datasets/dataset.ts';
import { loadExampleSets } from '../../../gpu-worker/datasets/example-sets.ts';
import { loadNpzDataset } from '../../../gpu-worker/datasets/foreign-examples.ts';
import type { Engine } from '../../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import {
  claimErrors,
  type Embedder,
  enrol,
  openEmbedder,
} from '../../../gpu-worker/evaluate/speaker-verification.ts';
import { auroc } from '../../../shared/maths/auroc.ts';
import { nccrGuard } from '../../helpers/command-line.ts';
import { sharedFolder } from '../../helpers/shared-folder.ts';

const speakers = 16;

describe.skipIf(sharedFolder === undefined)('an x-vector of sixteen speakers', () => {
  let folder: string;
  let engine: Engine;
  let embedder: Embedder;
  let [training, test]: Dataset[] = [];
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'nccr-guard-xvector-'));
    const out = join(folder, 'model.onnx');
    const file = `${sharedFolder}models/speech/xplda.onnx`;
    const made = await nccrGuard('model', 'import', file, '--output', 'plda', '--out', out);
    expect(made.code, made.stderr).toBe(0);
    engine = await createOrtEngine({ workers: 1 });
    embedder = await openEmbedder(await readFile(out), { engine, tensor: 'emb', classes: speakers });
    const load = (set: string) =>
      loadNpzDataset(`${sharedFolder}data/speech/windows.npz`, {
        layout: 'nchw',
        arrays: { inputs: `x_${set}`, labels: `y_${set}` },
      });
    [training, test] = [await load('detector'), await load('test')];
  }, 60_000);
  afterAll(async () => {
    await engine?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('names 89.4 % of the test windows, and errs on 3 to 4 % of the claims by any score', async () => {
    expect(training).toMatchObject({ datatype: 'INT16', inputShape: [8_000] });
    const { dimensions } = embedder;
    const score = enrol(await embedder.embed(training), { labels: training.labels, dimensions, speakers });
    const seen = await embedder.embed(test);
    const { labels } = test;
    const right = labels.filter((label, row) => predictedLabel(seen.logits, row, speakers) === label);
    expect(right.length / labels.length).toBeCloseTo(0.894, 2);
    const claims = score(seen);
    const rates = [claims.model, claims.cosine, claims.plda].map(
      (own) => claimErrors(own, { labels, speakers }).rate,
    );
    expect(rates[0]).toBeCloseTo(0.031, 2);
    for (const rate of rates) expect(rate).toBeLessThan(0.045);
  }, 60_000);

  it('has examples of FAKEBOB that the noise floor gives away, and of C&W that it does not', async () => {
    const sets = await loadExampleSets(`${sharedFolder}data/speech/adversarial-xplda.npz`);
    const clean = mehFest({ inputs: test.inputs, samples: 8_000 });
    const area = (name: string) => {
      const { inputs } = sets.find((set) => set.name === name)!.dataset;
      return auroc(mehFest({ inputs, samples: 8_000 }), clean);
    };
    expect(sets.map(({ name }) => name)).not.toContain('given clean');
    expect(area('given fakebob4')).toBeGreaterThan(0.9);
    expect(area('given cw')).toBeLessThan(0.6);
  }, 60_000);
});
