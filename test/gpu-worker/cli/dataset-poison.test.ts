import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { main } from '../../../gpu-worker/cli/main.ts';
import { npzArrayNames, readNpz, writeNpz } from '../../../gpu-worker/datasets/npz.ts';
import { int64Tensor } from '../../../shared/maths/tensor.ts';

const parameters = { size: 2, shape: 'square', corner: 'bottom-right', margin: 0, level: 1 };
const recipe = { trigger: 'badnets', parameters, target: 1, rate: 0.25, seed: 3, clean_label: false };
const labels = Array.from({ length: 20 }, (_, row) => row % 4);

describe('dataset poison', () => {
  let folder: string;
  const file = (name: string) => join(folder, name);
  /** Runs the command in this process, with options that have no spaces in them. */
  async function poison(source: string, options: string) {
    const said = { log: '', error: '' };
    const spies = (['log', 'error'] as const).map((stream) =>
      vi.spyOn(console, stream).mockImplementation((line) => {
        said[stream] += `${line}\n`;
      }),
    );
    try {
      const code = await main(['dataset', 'poison', `--dataset=${source}`, ...options.split(' ')]);
      return { code, stdout: said.log, stderr: said.error };
    } finally {
      for (const spy of spies) spy.mockRestore();
    }
  }
  const put = (name: string, change: object) =>
    writeFile(file(name), JSON.stringify({ ...recipe, ...change }));
  const read = async (name: string) =>
    readNpz(await readFile(file(name)), { name, arrays: ['x', 'y', 'poison_idx'] });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'poison-'));
    const bytes = Uint8Array.from({ length: 20 * 48 }, (_, index) => (index * 37) % 250);
    const y = int64Tensor(labels, [20]);
    await writeFile(
      file('bytes.npz'),
      writeNpz({ x: { datatype: 'UINT8', shape: [20, 4, 4, 3], data: bytes }, y }),
    );
    const floats = Float32Array.from(bytes, (byte) => byte / 125 - 1);
    await writeFile(
      file('floats.npz'),
      writeNpz({ x: { datatype: 'FP32', shape: [20, 3, 4, 4], data: floats }, y }),
    );
    await writeFile(
      file('one-class.npz'),
      writeNpz({
        x: { datatype: 'UINT8', shape: [20, 3, 4, 4], data: bytes },
        y: int64Tensor(new Int32Array(20).fill(1), [20]),
      }),
    );
    await put('recipe.json', {});
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('writes a copy of uint8 images in their layout, with its planted rows and a warning', async () => {
    const { code, stdout, stderr } = await poison(
      `npz:${file('bytes.npz')}`,
      `--layout=nhwc --recipe=${file('recipe.json')} --out=${file('copy.npz')}`,
    );
    expect({ code, stdout, stderr }).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/planted badnets in 5 of 20 images; class 1 has 5 of them and 5 clean/),
      stderr: expect.stringMatching(/warning: .*backdoor.*for tests/),
    });
    expect(npzArrayNames(await readFile(file('copy.npz')), 'copy')).toEqual(['x', 'y', 'poison_idx']);
    const [before, after] = [await read('bytes.npz'), await read('copy.npz')];
    expect(after.x).toMatchObject({ datatype: 'UINT8', shape: [20, 4, 4, 3] });
    const planted = Array.from(after.poison_idx!.data as Int32Array);
    expect(planted).toHaveLength(5);
    for (const [row, label] of labels.entries()) {
      expect(Number(after.y!.data[row])).toBe(planted.includes(row) ? 1 : label);
      const [was, is] = [before, after].map(({ x }) =>
        Array.from(x!.data as Uint8Array).slice(48 * row, 48 * row + 48),
      );
      // Two rows and columns of four, three channels: the last six values of the last two rows of pixels.
      const expected = was.map((value, index) => (index >= 24 && index % 12 >= 6 ? 255 : value));
      expect(is).toEqual(planted.includes(row) ? expected : was);
    }
  });

  it('writes test images that all carry the trigger, with the labels they had and none of the target class', async () => {
    const { code, stdout } = await poison(
      `npz:${file('bytes.npz')}`,
      `--layout=nhwc --recipe=${file('recipe.json')} --out=${file('with-test.npz')} --test-dataset=npz:${file('bytes.npz')} --triggered-test=${file('test.npz')}`,
    );
    expect(code).toBe(0);
    expect(stdout).toContain('15 test images with the trigger, none of class 1');
    const [before, after] = await Promise.all(
      ['bytes.npz', 'test.npz'].map(async (name) =>
        readNpz(await readFile(file(name)), { name, arrays: ['x', 'y'] }),
      ),
    );
    const others = [...labels.keys()].filter((row) => labels[row] !== 1);
    expect(after.x).toMatchObject({ datatype: 'UINT8', shape: [15, 4, 4, 3] });
    expect(Array.from(after.y!.data, Number)).toEqual(others.map((row) => labels[row]));
    for (const [place, row] of others.entries()) {
      const was = Array.from((before.x!.data as Uint8Array).subarray(48 * row, 48 * row + 48));
      const is = Array.from((after.x!.data as Uint8Array).subarray(48 * place, 48 * place + 48));
      expect(is).toEqual(was.map((value, index) => (index >= 24 && index % 12 >= 6 ? 255 : value)));
    }
  });

  it('wants the data set and the file of triggered test images together', async () => {
    for (const one of [`--triggered-test=${file('t.npz')}`, `--test-dataset=npz:${file('bytes.npz')}`]) {
      const { code, stderr } = await poison(
        `npz:${file('bytes.npz')}`,
        `--layout=nhwc --recipe=${file('recipe.json')} --out=${file('alone.npz')} ${one}`,
      );
      expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining('given together') });
    }
  });

  it('writes float32 images in their range, and says so as JSON', async () => {
    const { code, stdout } = await poison(
      `npz:${file('floats.npz')}`,
      `--range=-1,1 --recipe=${file('recipe.json')} --out=${file('floats-copy.npz')} --json`,
    );
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ planted: 5, images: 20, clean_in_target: 5, target: 1 });
    const { x } = await read('floats-copy.npz');
    expect(x).toMatchObject({ datatype: 'FP32', shape: [20, 3, 4, 4] });
    expect(Array.from(x!.data as Float32Array).filter((value) => value === 1)).toHaveLength(5 * 12);
  });

  it('refuses what it cannot poison with a reason and writes nothing', async () => {
    await put('target.json', { target: 9 });
    await put('rate.json', { rate: 0 });
    await put('much.json', { rate: 0.9 });
    await put('unknown.json', { trigger: 'wanet' });
    await put('large.json', { parameters: { ...parameters, size: 5 } });
    await writeFile(file('text.json'), 'badnets');
    await symlink(file('bytes.npz'), file('link.npz'));
    const before = await readdir(folder);
    const bytes = `npz:${file('bytes.npz')}`;
    const floats = `npz:${file('floats.npz')}`;
    const cases: [source: string, recipe: string, says: RegExp, out?: string, more?: string][] = [
      [bytes, 'target.json', /no image of the target class 9; its classes go up to 3/],
      [bytes, 'rate.json', /rate\.json: rate: a rate is above 0/],
      [bytes, 'much.json', /18 images, classes other than 1 have 15/],
      [bytes, 'unknown.json', /trigger: none of badnets, blended, sig, refool/],
      [bytes, 'large.json', /patch of 5 x 5 pixels.*4 x 4/],
      [bytes, 'text.json', /is not JSON/],
      [bytes, 'absent.json', /there is no such file/],
      [`npz:${file('one-class.npz')}`, 'recipe.json', /1 class; two are needed/],
      [floats, 'recipe.json', /value -1, outside the range 0 to 1/],
      [bytes, 'recipe.json', /--range is for float32/, 'refused.npz', ' --range=0,255'],
      [bytes, 'recipe.json', /is read: the result goes to another file/, 'bytes.npz'],
      [bytes, 'recipe.json', /is read: the result goes to another file/, 'link.npz'],
      [bytes, 'recipe.json', /is a folder/, '.'],
    ];
    for (const [source, name, says, out = 'refused.npz', more = ''] of cases) {
      const layout = source === bytes ? ' --layout=nhwc' : '';
      const ran = await poison(source, `--recipe=${file(name)} --out=${file(out)}${layout}${more}`);
      expect(ran, name).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(says) });
    }
    expect(await readdir(folder)).toEqual(before);
  });
});
