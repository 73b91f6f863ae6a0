// What goes into an image: the server's own files and packages, no more and no less.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { collectProgram, collectWorker } from '../../../gpu-worker/image/collect-worker.ts';

const root = path.resolve(import.meta.dirname, '../../..');
const folder = await mkdtemp(path.join(tmpdir(), 'nccr-guard-image-'));
afterAll(() => rm(folder, { recursive: true }));

describe('the gpu-worker of an image', () => {
  it('is the server, its threads and what they import, without the offline side and without the edge', async () => {
    const { files, packages } = await collectProgram(root, 'gpu-worker/server.ts');
    expect(files).toEqual(expect.arrayContaining(['gpu-worker/app.ts', 'gpu-worker/engine/ort-thread.ts']));
    expect(
      files.filter((file) => /^(edge|gpu-worker\/(cli|demo|attacks|evaluate|calibrate))\//.test(file)),
    ).toEqual([]);
    expect(packages).toEqual(expect.arrayContaining(['hono', 'onnxruntime-node', 'sharp', 'zod']));
    for (const left of ['wrangler', 'miniflare', 'vega', 'esbuild']) expect(packages).not.toContain(left);
  });

  it('is copied with a package.json of its packages alone, in the versions of this repository', async () => {
    await collectWorker(root, folder);
    const own = JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8'));
    const whole = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8'));
    expect(own).toMatchObject({ name: 'nccr-guard', version: whole.version, type: 'module' });
    expect(whole.dependencies).toMatchObject(own.dependencies);
    expect(Object.keys(own.dependencies)).toContain('onnxruntime-node');
    expect((await readdir(folder)).sort()).toEqual([
      'LICENSE',
      'gpu-worker',
      'package-lock.json',
      'package.json',
      'shared',
    ]);
  });

  it('gets from the image of TensorFlow.js the packages that the repository names as optional, in the same versions', async () => {
    const binding = JSON.parse(await readFile(path.join(root, 'gpu-worker/tfjs/package.json'), 'utf8'));
    const whole = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8'));
    expect(whole.peerDependencies).toMatchObject(binding.dependencies);
    // The processor's own backend is for machines without a card.
    const left = Object.keys(whole.peerDependencies).filter(
      (name) => binding.dependencies[name] === undefined,
    );
    expect(left).toEqual(['@tensorflow/tfjs-backend-cpu']);
  });
});
