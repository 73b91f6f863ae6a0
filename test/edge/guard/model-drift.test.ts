// The cron's look at drift: a line where a model begins to drift and where it ends, and none in between.
import { afterEach, expect, it, vi } from 'vitest';
import { type ArtefactStore, artefactStore } from '../../../edge/clients/artefact-store.ts';
import type { AuditFiguresStore, StoredDrift } from '../../../edge/clients/audit-figures.ts';
import { watchDrift } from '../../../edge/guard/model-drift.ts';
import { detectorFixture } from '../../helpers/detector-fixture.ts';
import { inputShape, modelDigest, plan } from '../../helpers/guarded-edge.ts';

afterEach(() => void vi.restoreAllMocks());

const models = [
  { name: 'broken', artefactKey: 'detectors/none.json' },
  { name: 'm', artefactKey: 'detectors/m.json' },
  { name: 'unguarded', artefactKey: undefined },
];
const even = (low: number, high: number) =>
  Array.from({ length: 500 }, (_, index) => low + ((index + 0.5) / 500) * (high - low));

async function artefacts(): Promise<ArtefactStore> {
  const bytes = await detectorFixture({
    model: 'm',
    modelDigest,
    inputShape,
    classes: 10,
    plan,
    threshold: 0,
    spoil: ({ threshold }) => {
      threshold.clean_quantiles = Array.from({ length: 101 }, (_, percent) => percent / 100 - 1);
    },
  });
  const get = async (key: string) =>
    key === 'detectors/m.json' ? { arrayBuffer: async () => Uint8Array.from(bytes).buffer } : null;
  return artefactStore({ get }, { publicKey: undefined });
}

it('keeps what it found, and says once that a model drifts and once that it no longer does', async () => {
  const lines: string[] = [];
  const keep = (line: string) => void lines.push(line);
  vi.spyOn(console, 'log').mockImplementation(keep);
  vi.spyOn(console, 'error').mockImplementation(keep);
  const kept = new Map<string, StoredDrift>();
  let scores = even(-1, 0);
  const figures: AuditFiguresStore = {
    readAll: async () => ({ jobs: [], deleted: 0, drifts: [...kept.values()] }),
    recentScores: async () => scores,
    keepDrift: async (drift) => void kept.set(drift.model, { ...drift, at: '2026-01-01T00:00:00.000Z' }),
  };
  const look = async () => watchDrift(models, { artefacts: await artefacts(), figures });
  await look();
  expect(kept.get('m')).toMatchObject({ state: 'steady', rows: 500 });
  expect(kept.get('broken')).toMatchObject({ state: 'no_detector', artefact: null });
  expect(kept.has('unguarded')).toBe(false);
  expect(lines).toEqual([]);
  scores = even(-0.3, 0);
  await look();
  await look();
  scores = even(-1, 0);
  await look();
  const told = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(told.map(({ event, level, state }) => [event, level, state])).toEqual([
    ['guard.drift', 'warn', 'drifting'],
    ['guard.drift', 'info', 'steady'],
  ]);
  // A look of a moment ago is not repeated.
  const before = { ...kept.get('m')!, at: new Date().toISOString() };
  kept.set('m', before);
  await look();
  expect(kept.get('m')).toBe(before);
});
