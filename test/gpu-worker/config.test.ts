import { expect, it } from 'vitest';
import { readConfig, requireFullPrecision } from '../../gpu-worker/config.ts';

const token = 'a-token-of-the-test-with-enough-characters';
const required = { GPU_WORKER_MODELS: 'models', GPU_WORKER_TOKEN: token };

it('is complete with a token and a model folder', () => {
  expect(readConfig({ ...required, PATH: '/usr/bin' })).toMatchObject({
    host: '127.0.0.1',
    port: 8790,
    token,
    modelFolder: 'models',
    queueMax: 256,
    queueBytesMax: 268_435_456,
    memoryBytesMax: undefined,
    joinedRowsMax: undefined,
    joinDelayMs: 0,
    deadlineMs: 5_000,
    drainMs: 10_000,
  });
});

it('reads numbers', () => {
  const config = readConfig({
    ...required,
    GPU_WORKER_PORT: '9000',
    GPU_WORKER_WORKERS: '3',
    GPU_WORKER_QUEUE_MAX: '64',
    GPU_WORKER_QUEUE_MB: '64',
    GPU_WORKER_MEMORY_MB: '1024',
    GPU_WORKER_BATCH_ROWS: '16',
    GPU_WORKER_BATCH_DELAY_MS: '2',
  });
  const queue = {
    memoryBytesMax: 1_073_741_824,
    queueMax: 64,
    queueBytesMax: 67_108_864,
    joinedRowsMax: 16,
    joinDelayMs: 2,
  };
  expect(config).toMatchObject({ port: 9000, workers: 3, ...queue });
});

it('chooses the engine, by default the fastest that works', () => {
  expect(readConfig(required)).toMatchObject({ engine: 'auto', workers: undefined });
  expect(readConfig({ ...required, ENGINE: 'webgpu' }).engine).toBe('webgpu');
});

it("has NVIDIA's libraries keep full precision unless the operator decided otherwise", () => {
  const environment: Record<string, string | undefined> = {};
  requireFullPrecision(environment);
  expect(environment).toEqual({ NVIDIA_TF32_OVERRIDE: '0' });
  const decided = { NVIDIA_TF32_OVERRIDE: '1' };
  requireFullPrecision(decided);
  expect(decided).toEqual({ NVIDIA_TF32_OVERRIDE: '1' });
});

it('lets authentication be switched off on a loopback host', () => {
  const config = readConfig({ GPU_WORKER_MODELS: 'models', GPU_WORKER_AUTH: 'none' });
  expect(config.token).toBeUndefined();
});

it.each([
  ['no model folder', { GPU_WORKER_TOKEN: token }, 'GPU_WORKER_MODELS'],
  ['no token', { GPU_WORKER_MODELS: 'models' }, 'GPU_WORKER_TOKEN: required'],
  ['a short token', { ...required, GPU_WORKER_TOKEN: 'short' }, 'GPU_WORKER_TOKEN'],
  ['a token with a space', { ...required, GPU_WORKER_TOKEN: `${token} ${token}` }, 'GPU_WORKER_TOKEN'],
  ['a token that would be ignored', { ...required, GPU_WORKER_AUTH: 'none' }, 'GPU_WORKER_AUTH: none, but'],
  [
    'no authentication on an open host',
    { GPU_WORKER_MODELS: 'models', GPU_WORKER_AUTH: 'none', GPU_WORKER_HOST: '0.0.0.0' },
    'loopback',
  ],
  [
    'a port that is no number',
    { ...required, GPU_WORKER_PORT: '80a' },
    'GPU_WORKER_PORT: not a whole number',
  ],
  ['a port out of range', { ...required, GPU_WORKER_PORT: '65536' }, 'GPU_WORKER_PORT'],
  ['no workers', { ...required, GPU_WORKER_WORKERS: '0' }, 'GPU_WORKER_WORKERS'],
  ['a queue that no batch fits in', { ...required, GPU_WORKER_QUEUE_MAX: '63' }, 'GPU_WORKER_QUEUE_MAX'],
  [
    'a batch of more rows than a request may have',
    { ...required, GPU_WORKER_BATCH_ROWS: '65' },
    'GPU_WORKER_BATCH_ROWS',
  ],
  ['an engine that there is not', { ...required, ENGINE: 'gpu' }, 'ENGINE: '],
  ['an unknown variable', { ...required, GPU_WORKER_TOKENS: 'x' }, 'GPU_WORKER_TOKENS: no such variable'],
])('refuses %s by its name', (_what, environment, reason) => {
  expect(() => readConfig(environment)).toThrow(reason);
});
