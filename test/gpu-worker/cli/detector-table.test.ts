import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { detectorTableCommand } from '../../../gpu-worker/cli/detector-table.ts';
import { readNoiseKey } from '../../../gpu-worker/cli/noise-key-file.ts';

const words = ['m.onnx', '--dataset', 'synthetic-digits:9', '--transforms', 'w0-grey'];
const parse = (...more: string[]) =>
  detectorTableCommand()
    .exitOverride()
    .parseAsync([...words, '--epsilon', '0.3', '--budgets', '0.1', ...more], { from: 'user' });

it('refuses options of the table that change nothing', async () => {
  await expect(parse('--matrix-source', 'pgd')).rejects.toThrow(
    /--matrix-source changes .* without --matrix/,
  );
  await expect(parse('--layer', 'r', '--baseline', 'a2d')).rejects.toThrow(/without --baseline dissector/);
  await expect(parse('--sequential-copies', '2')).rejects.toThrow(/without --sequential/);
});

it('shows no empty list as a default in the help', () => {
  expect(detectorTableCommand().helpInformation()).not.toContain('[]');
});

it('names a key file that holds no key', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'key-'));
  const path = join(folder, 'noise.key');
  await writeFile(path, 'not a key\n');
  await expect(readNoiseKey(path)).rejects.toThrow(`${path}: the noise key must be 64 hexadecimal digits`);
  await rm(folder, { recursive: true });
});
