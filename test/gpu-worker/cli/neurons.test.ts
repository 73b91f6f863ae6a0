// What the command line makes of the options of a vector design on neurons.
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCompiledModel } from '../../../gpu-worker/extraction/compile-model.ts';
import { lenetFile, nccrGuard } from '../../helpers/command-line.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nccr-guard-neurons-'));
});
afterAll(() => rm(folder, { recursive: true }));

const file = (name: string) => join(folder, name);
const design = ['--vector', 'margin-changes+neurons'];
const compile = (...args: string[]) =>
  nccrGuard('model', 'compile', lenetFile, '--name', 'digits', '--noise-key', file('key'), ...args);
const sixty = ['--name', 'digits', '--dataset', 'synthetic-digits:60', '--images', '60'];
const calibrate = (...args: string[]) => nccrGuard('detector', 'calibrate', lenetFile, ...sixty, ...args);

describe('a vector design on neurons on the command line', () => {
  it('compiles a plan that taps every layer under the total variation', async () => {
    const run = await compile(...design, '--out', file('all.onnx'));
    expect(run.code, run.stderr).toBe(0);
    const { plan } = readCompiledModel(await readFile(file('all.onnx')));
    expect(plan.noise).toEqual([]);
    expect(plan.transforms[2].family).toBe('total-variation');
    expect(plan.taps).toEqual(
      Object.entries({ conv1: 6, conv2: 16, fc1: 120, fc2: 84, logits: 10 }).map(([tensor, units]) => {
        return { kind: 'units', tensor, transform: 2, units };
      }),
    );
  });

  it('taps the tensors that are named alone', async () => {
    const named = ['--neuron-tensor', 'fc2', '--neuron-tensor', 'conv1'];
    const run = await compile(...design, ...named, '--out', file('named.onnx'));
    expect(run.code, run.stderr).toBe(0);
    const { plan } = readCompiledModel(await readFile(file('named.onnx')));
    expect(plan.taps.map(({ tensor }) => tensor)).toEqual(['fc2', 'conv1']);
  });

  it.each([
    [
      'a tensor for a design that reads none',
      ['--vector', 'strict', '--neuron-tensor', 'fc2'],
      /not read by the vector design strict/,
    ],
    ['a misspelt tensor', [...design, '--neuron-tensor', 'fc22'], /no tensor fc22; near it are/],
    ['a sequential test', [...design, '--sequential'], /sequential test do not read neurons/],
  ])('refuses %s and writes nothing', async (_name, options, message) => {
    const run = await calibrate(...options, '--out', file('refused.json'));
    expect(run).toMatchObject({ code: 1, stderr: expect.stringMatching(message) });
    await expect(stat(file('refused.json'))).rejects.toThrow(/ENOENT/);
  });
});
