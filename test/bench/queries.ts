// The check for query attacks as it is: false matches among benign inputs, queries until attacks are found, and what a request costs.
// Takes some minutes.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { attackTarget } from '../../gpu-worker/attacks/attack-target.ts';
import { boundary } from '../../gpu-worker/attacks/boundary.ts';
import { square } from '../../gpu-worker/attacks/square.ts';
import { loadCifarFolder } from '../../gpu-worker/datasets/cifar-binary.ts';
import { type Dataset, datasetRow } from '../../gpu-worker/datasets/dataset.ts';
import { loadIdxFolder } from '../../gpu-worker/datasets/idx.ts';
import type { LoadedModel } from '../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../gpu-worker/engine/ort-engine.ts';
import { queriesKeptMax } from '../../shared/limits.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import { importNoiseKey } from '../../shared/noise/noise-key.ts';
import { isNearDuplicate } from '../../shared/queries/near-duplicates.ts';
import {
  type QueryFingerprint,
  type QuerySalt,
  queryFingerprint,
  querySalt,
} from '../../shared/queries/query-fingerprint.ts';
import { sharedFolder } from '../helpers/shared-folder.ts';

/** Benign inputs of one caller, and noise keys: which hashes are the greatest is chance under each. */
const benignInputs = 1_000;
const keys = 5;
/** Digits that are attacked. */
const attacked = 50;
const epsilon = 0.3;
const matchesMins = [1, 3, 5, 10] as const;
const range = [0, 1] as const;

if (sharedFolder === undefined) {
  console.error('The data sets of ../shared/data are not here, there is nothing to measure.');
  process.exit(1);
}
console.log(`${cpus()[0].model}, Node ${process.version}`);
const mnist = await loadIdxFolder(`${sharedFolder}/data/mnist`, 'test');
const cifar = await loadCifarFolder(`${sharedFolder}/data/cifar10`, 'test');
for (const dataset of [mnist, cifar]) {
  await measureBenign(dataset, 'as it is', queryFingerprint);
  await measureBenign(dataset, 'as published, windows of one value among them', publishedFingerprint);
}
await measureAttacks();
for (const dataset of [mnist, cifar]) await measureCost(dataset);

type Fingerprint = typeof queryFingerprint;

/** How many of some different inputs are found to nearly equal earlier ones. */
async function measureBenign(dataset: Dataset, what: string, fingerprint: Fingerprint): Promise<void> {
  for (let number = 1; number <= keys; number++) {
    const salt = await saltOf(number, dataset);
    const prints = Array.from({ length: benignInputs }, (_, row) =>
      fingerprint(datasetRow(dataset, row), { range, salt }),
    );
    const counts = matchesOf(prints);
    const found = matchesMins.map((least) => `${least}: ${counts.filter((count) => count >= least).length}`);
    const shortest = Math.min(...prints.map(({ length }) => length));
    console.log(
      `${dataset.name}, ${benignInputs} inputs, key ${number}, ${what}: raised at matches_min ${found.join(', ')}; ${shortest} hashes at least`,
    );
  }
}

/** Runs the attacks against the demo's LeNet-5 and looks at each query with those before it. */
async function measureAttacks(): Promise<void> {
  const engine = await createOrtEngine({ workers: 1 });
  const file = new URL('../../gpu-worker/demo/assets/mnist-lenet5.onnx', import.meta.url);
  const model = await engine.load(await readFile(file));
  const salt = await saltOf(1, mnist);
  for (const [name, run] of [
    ['square', square],
    ['boundary', boundary],
  ] as const) {
    const attacks: AttackTrace[] = [];
    for (let row = 0; row < attacked; row++) {
      const queries: Float32Array[] = [];
      const forward = recorded(model, queries);
      const target = attackTarget(
        { forward, gradient: forward },
        { inputShape: [1, 28, 28], classes: 10, range },
      );
      const inputs = { inputs: datasetRow(mnist, row).slice(), labels: [mnist.labels[row]] };
      const { success } = await run(target, inputs, { epsilon, seed: 1 });
      // The last run only judges what the attack gave.
      const prints = queries.slice(0, -1).map((query) => queryFingerprint(query, { range, salt }));
      attacks.push({ success: success[0] === 1, queries: prints.length, counts: matchesOf(prints) });
    }
    describeAttacks(name, attacks);
  }
  await engine.close();
}

interface AttackTrace {
  readonly success: boolean;
  readonly queries: number;
  /** [queries]: earlier ones that each nearly equals. */
  readonly counts: readonly number[];
}

function describeAttacks(name: string, attacks: readonly AttackTrace[]): void {
  const lengths = attacks.map(({ queries }) => queries);
  const succeeded = attacks.filter(({ success }) => success).length;
  console.log(`${name}: ${attacks.length} digits, ${succeeded} turned, queries ${spread(lengths)}`);
  for (const least of matchesMins) {
    const firsts = attacks.map(({ counts }) => counts.findIndex((count) => count >= least) + 1);
    const found = firsts.filter((first) => first > 0);
    const raised = attacks.map(
      ({ counts, queries }) => counts.filter((count) => count >= least).length / queries,
    );
    const share = raised.reduce((sum, one) => sum + one, 0) / raised.length;
    console.log(
      `  matches_min ${least}: raised in ${found.length} of ${attacks.length}, first at query ${spread(found)}, ${(100 * share).toFixed(0)} % of an attack's queries`,
    );
  }
}

/** CPU of one request: its fingerprint, and the comparison with a full history. */
async function measureCost(dataset: Dataset): Promise<void> {
  const salt = await saltOf(1, dataset);
  const rows = Array.from({ length: 500 }, (_, row) => datasetRow(dataset, row));
  const time = (work: () => void) => {
    const before = process.cpuUsage();
    work();
    // Of this process alone, whatever else the machine does.
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000 / rows.length;
  };
  const print = () => rows.map((row) => queryFingerprint(row, { range, salt }));
  const published = () => rows.map((row) => publishedFingerprint(row, { range, salt }));
  const prints = print();
  const history = Array.from({ length: queriesKeptMax }, (_, index) => prints[index % prints.length]);
  const compare = () => {
    for (const one of prints) for (const other of history) isNearDuplicate(one, other);
  };
  for (const work of [print, compare]) work();
  const [own, sha, compared] = [time(print), time(published), time(compare)];
  console.log(
    `${dataset.name}: ${own.toFixed(3)} ms of CPU a fingerprint (${sha.toFixed(3)} with SHA-256 a window), ${compared.toFixed(3)} ms against ${queriesKeptMax} earlier ones`,
  );
}

/** Of each the number of earlier ones that it nearly equals, as far as a history keeps them. */
function matchesOf(prints: readonly QueryFingerprint[]): number[] {
  return prints.map((one, index) => {
    const earlier = prints.slice(Math.max(0, index - queriesKeptMax), index);
    return earlier.filter((other) => isNearDuplicate(one, other)).length;
  });
}

/** The fingerprint without the house's deviations: every window counts, and each is hashed by SHA-256. */
function publishedFingerprint(
  input: Float32Array,
  { range: [lowest, highest], salt }: { range: readonly [number, number]; salt: QuerySalt },
): QueryFingerprint {
  const scale = 255 / (highest - lowest);
  const levels = Uint8Array.from(input, (value, index) =>
    Math.round((((value - lowest) * scale + salt.shifts[index]) % 255) / 50),
  );
  const hashes = new Set<number>();
  for (let start = 0; start + 20 <= levels.length; start++) {
    const digest = createHash('sha256')
      .update(levels.subarray(start, start + 20))
      .digest();
    hashes.add(digest.readUIntBE(0, 6));
  }
  return Float64Array.from(hashes).sort().slice(-50);
}

async function saltOf(number: number, { inputShape }: Dataset): Promise<QuerySalt> {
  return querySalt(await importNoiseKey(new Uint8Array(32).fill(number)), elementCount(inputShape));
}

/** The model, with every input that it is asked kept. */
function recorded(model: LoadedModel, queries: Float32Array[]): LoadedModel {
  const [{ name }] = model.inputs;
  return {
    ...model,
    async run({ x }, options) {
      const rows = x.shape[0];
      for (let row = 0; row < rows; row++) {
        const size = x.data.length / rows;
        queries.push((x.data as Float32Array).slice(row * size, (row + 1) * size));
      }
      return model.run({ [name]: x }, options);
    },
  };
}

/** Median, and the smallest and largest. */
function spread(values: readonly number[]): string {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted.length === 0 ? 'never' : `${sorted[sorted.length >> 1]} (${sorted[0]} to ${sorted.at(-1)})`;
}
