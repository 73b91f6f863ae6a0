// JSON documents of the guard's own: detector artefacts, policies, requests for a screening.
import { artefactStore } from '../../../edge/clients/artefact-store.ts';
import type { ExtractionPlan } from '../../../shared/contracts/extraction.ts';
import { policySchema } from '../../../shared/contracts/policy.ts';
import { GuardError } from '../../../shared/errors.ts';
import { parseJson } from '../../../shared/oip/parse-json.ts';
import { detectorFixture } from '../../helpers/detector-fixture.ts';
import { type FuzzTarget, mustHold } from '../target.ts';
import { parseStrictly } from './strict-oip.ts';

const encoder = new TextEncoder();
/** No byte of JSON: these cases have nothing behind it. */
const jsonEnd = 0xff;
/** Of a sequential test or a trigger check nothing is built by hand here; their schemas are reached by their names. */
const artefactWords =
  '"format_version" "plan" "noise" "copies" "taps" "transforms" "vector" "design" "standardise" "mlp" "layers" "inputs" "outputs" "weights" "biases" "head" "onnx" "threshold" "per_class" "calibration" "self_check" "vectors" "scores" "sequential" "trigger_check" "card" "signature" "AAAA" "strict" "rank-gaps" "margin-changes"';

/** Artefacts, unsigned, as the edge loads them. */
export const artefact: FuzzTarget = {
  name: 'artefact',
  async seeds() {
    const plan: ExtractionPlan = {
      input_range: [0, 1],
      noise: [{ family: 'uniform', epsilon: 0.1, rows: 16, copies: 2 }],
      transforms: [],
      taps: [],
    };
    const modelDigest = `sha256:${'0'.repeat(64)}`;
    const fixture = {
      model: 'm',
      modelDigest,
      inputShape: [4],
      classes: 2,
      plan,
      threshold: 0,
      signer: undefined,
    };
    return [
      await detectorFixture(fixture),
      await detectorFixture({
        ...fixture,
        design: 'strict',
        spoil: (artefact) => (artefact.threshold.value = -1),
      }),
    ];
  },
  dictionary: artefactWords.split(' '),
  bytesMax: 16_384,
  jsonEnd,
  sliceCases: 150,
  async read(bytes) {
    const object = { arrayBuffer: () => Promise.resolve(new Uint8Array(bytes).buffer) };
    const store = await artefactStore({ get: () => Promise.resolve(object) }, { publicKey: undefined });
    // Whatever is wrong with an artefact is told as an unusable detector; what matters is the cause.
    const loaded = await store.load('case').catch((thrown: unknown) => {
      throw thrown instanceof GuardError && thrown.code === 'detector_unavailable' ? thrown.cause : thrown;
    });
    mustHold(Number.isFinite(loaded.threshold.value), 'a threshold that is no number');
  },
};

/** Policies of a model, and JSON as such: what the strict parser takes a second one must take, with no key twice. */
export const policy: FuzzTarget = {
  name: 'policy',
  seeds: () =>
    [
      { mode: 'enforce' },
      {
        mode: 'shadow',
        sampling_percent: 12.5,
        thresholds: { flag: -1, block: null },
        failures: { timeout: 'pass', overload: 'refuse', internal: 'pass' },
        batch: 'cut',
        reveal: 'scores',
        timeout_ms: 250,
        queries: { matches_min: 5, window_s: 600, action: 'block' },
      },
    ].map((document) => encoder.encode(JSON.stringify(document))),
  dictionary: [
    '"mode":',
    '"sampling_percent":',
    '"thresholds":',
    '"flag":',
    '"block":',
    '"failures":',
    '"worker_auth":',
    '"queries":',
    '"matches_min":',
    '"client_cancel":',
    '"pass"',
    '"refuse"',
    '"enforce"',
    '"off"',
    '"__proto__":',
    '"Mode":',
    '"\\u006dode":',
  ],
  bytesMax: 1024,
  jsonEnd,
  sliceCases: 4_000,
  read(bytes) {
    const document = parseJson(bytes);
    parseStrictly(new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes));
    const parsed = policySchema.safeParse(document);
    if (!parsed.success) throw new GuardError('malformed_request', 'no policy');
    const { data } = parsed;
    const said = document as Record<string, unknown>;
    mustHold(
      Object.keys(said).every((key) => Object.hasOwn(data, key)),
      'a member of a policy was lost',
    );
    mustHold(
      JSON.stringify(policySchema.parse(JSON.parse(JSON.stringify(data)))) === JSON.stringify(data),
      'a policy is written otherwise than it was read',
    );
    const { worker_auth, body_too_large, client_cancel } = data.failures;
    mustHold(
      [worker_auth, body_too_large, client_cancel].every((outcome) => outcome === 'refuse'),
      'a policy is open',
    );
  },
};
