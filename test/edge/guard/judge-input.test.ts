// Loading a detector out of a bucket that hangs or breaks off.
import { expect, it } from 'vitest';
import type { R2Binding } from '../../../edge/bindings.ts';
import { artefactStore } from '../../../edge/clients/artefact-store.ts';
import { guardMetrics } from '../../../edge/guard/guard-metrics.ts';
import { loadDetector } from '../../../edge/guard/judge-input.ts';

const model = { name: 'm', artefactKey: 'detectors/m.json' };

async function load(bucket: R2Binding, waitMs: number): Promise<unknown> {
  const services = {
    artefacts: await artefactStore(bucket, { publicKey: undefined }),
    metrics: guardMetrics(),
  };
  return loadDetector({ model, deadlineAt: Date.now() + waitMs }, services);
}

it('ends at the deadline where the bucket does not answer', async () => {
  const hanging = () => new Promise<never>(() => {});
  for (const bucket of [{ get: hanging }, { get: async () => ({ arrayBuffer: hanging }) }]) {
    await expect(load(bucket, 20)).rejects.toMatchObject({ code: 'deadline_exceeded' });
  }
});

it('is a detector that is not available where the bucket fails or breaks off', async () => {
  const failing = () => Promise.reject(new Error('connection lost'));
  for (const bucket of [{ get: failing }, { get: async () => ({ arrayBuffer: failing }) }]) {
    await expect(load(bucket, 1_000)).rejects.toMatchObject({ code: 'detector_unavailable' });
  }
});
