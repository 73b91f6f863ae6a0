import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { cudaDevice } from '../../../gpu-worker/engine/cuda-device.ts';

it("reads the first card's name as the driver writes it", async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cards-'));
  await mkdir(join(folder, '0000:01:00.0'));
  const text = 'Model: \t\t NVIDIA H200\nIRQ:   \t\t 138\nGPU UUID: \t GPU-0\n';
  await writeFile(join(folder, '0000:01:00.0', 'information'), text);
  expect(cudaDevice(folder)).toBe('NVIDIA H200');
  await rm(folder, { recursive: true });
});

it('says that it does not know where the driver shows nothing', () => {
  expect(cudaDevice('/no/such/folder')).toBe('NVIDIA card, which its driver does not name');
});
