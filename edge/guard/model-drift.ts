// Whether the clean scores of a model still lie where its calibration found them, looked at by the cron and on demand.
import { type ScoreDrift, scoreDrift } from '../../shared/detector/score-drift.ts';
import { asGuardError } from '../../shared/errors.ts';
import { log } from '../../shared/log.ts';
import type { ArtefactStore, LoadedArtefact } from '../clients/artefact-store.ts';
import type { AuditFiguresStore, DriftState, StoredDrift } from '../clients/audit-figures.ts';
import type { ConfiguredModel } from '../model-variables.ts';

/** Rows and requests of late that are compared, and how old they may be. */
const rowsMax = 1_000;
const requestsMax = 1_000;
const windowMs = 24 * 3_600_000;
/** Fewer rows say too little. */
const rowsMin = 100;
/** A model is looked at this often, in milliseconds. */
const lookEveryMs = 5 * 60_000;

/** What a comparison came to. */
export interface ModelDrift {
  readonly state: DriftState;
  readonly artefact: string;
  /** Undefined where there is nothing to compare, or nothing to compare with. */
  readonly drift: ScoreDrift | undefined;
}

interface DriftServices {
  readonly artefacts: ArtefactStore;
  readonly figures: AuditFiguresStore;
}

/**
 * Compares the scores of late with the calibration. Those of rows that the detector itself would not take for clean are left out,
 * whatever the policy made of them.
 * @throws GuardError `detector_unavailable`
 */
export async function modelDrift(
  { name, artefactKey }: { readonly name: string; readonly artefactKey: string },
  { artefacts, figures }: DriftServices,
): Promise<ModelDrift> {
  const loaded = await artefacts.load(artefactKey);
  const artefact = loaded.digest;
  const reference = cleanScores(loaded);
  if (reference === undefined) return { state: 'no_reference', artefact, drift: undefined };
  const since = new Date(Date.now() - windowMs).toISOString();
  const scores = await figures.recentScores({ model: name, artefact, since, requestsMax, rowsMax });
  const drift = scoreDrift(scores, reference);
  if (drift === undefined || drift.rows < rowsMin) return { state: 'too_few', artefact, drift };
  return { state: drift.index > drift.bound ? 'drifting' : 'steady', artefact, drift };
}

function cleanScores({ threshold }: LoadedArtefact) {
  const { clean_quantiles: quantiles, calibration_samples: samples, value, per_class: own = [] } = threshold;
  // Rows have thresholds by their class: below the lowest of them every score counts as clean.
  const cut = Math.min(value, ...own.map((one) => one.value));
  return quantiles === undefined ? undefined : { quantiles, samples, cut };
}

/** Looks at every guarded model whose last look is a while ago, keeps what was found and logs where that has changed. */
export async function watchDrift(
  models: Iterable<Pick<ConfiguredModel, 'name' | 'artefactKey'>>,
  services: DriftServices,
): Promise<void> {
  const { drifts } = await services.figures.readAll();
  for (const { name, artefactKey } of models) {
    const before = drifts.find(({ model }) => model === name);
    const isDue = before === undefined || Date.now() - Date.parse(before.at) >= lookEveryMs;
    if (artefactKey === undefined || !isDue) continue;
    await lookAt({ name, artefactKey, before }, services);
  }
}

async function lookAt(
  {
    name,
    artefactKey,
    before,
  }: { readonly name: string; readonly artefactKey: string; readonly before: StoredDrift | undefined },
  services: DriftServices,
): Promise<void> {
  // A model without a usable detector is no reason to leave the others out.
  const none = { state: 'no_detector', artefact: null, drift: undefined } as const;
  const looked = await modelDrift({ name, artefactKey }, services).catch((thrown: unknown) => {
    if (asGuardError(thrown).code === 'detector_unavailable') return none;
    throw thrown;
  });
  const { state, artefact, drift } = looked;
  const { rows = 0, index = null, bound = null } = drift ?? {};
  const found = { model: name, at: new Date().toISOString(), artefact, state, rows, index, bound };
  await services.figures.keepDrift(found);
  const wasDrifting = before?.state === 'drifting';
  if (state === 'drifting' && !wasDrifting) log('warn', 'guard.drift', { ...found });
  if (state !== 'drifting' && wasDrifting) log('info', 'guard.drift', { ...found });
}
