// The rule on a real backdoor: activations of a GTSRB model whose class 33 holds 131 BadNets examples beside 229 clean ones.
import { describe, expect, it } from 'vitest';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import {
  type ClassSource,
  classSourceOf,
  screenClusters,
} from '../../../shared/clustering/screen-clusters.ts';
import { float32Tensor } from '../../../shared/maths/tensor.ts';
import { datasetOfSet, judgeSuspects, type PoisonedSet, poisonedSet } from '../../helpers/poisoned-set.ts';
import { sharedFolder } from '../../helpers/shared-folder.ts';

const batch = 128;

async function activations(set: PoisonedSet): Promise<ClassSource> {
  const { inputs, inputShape, labels } = datasetOfSet(set);
  const size = inputs.length / labels.length;
  const engine = await createOrtEngine({ workers: 1 });
  const loaded = await engine.load(set.model);
  const vectors: number[] = [];
  const logits: number[] = [];
  for (let first = 0; first < labels.length; first += batch) {
    const part = inputs.slice(first * size, (first + batch) * size);
    const feeds = { [loaded.inputs[0].name]: float32Tensor(part, [part.length / size, ...inputShape]) };
    const outputs = await loaded.run(feeds, { outputs: ['logits', 'penult'] });
    vectors.push(...(outputs.penult.data as Float32Array));
    logits.push(...(outputs.logits.data as Float32Array));
  }
  await engine.close();
  return classSourceOf({
    vectors: Float32Array.from(vectors),
    logits: Float32Array.from(logits),
    labels,
    classes: set.classes,
  });
}

const missing = sharedFolder === undefined ? ' (skipped: ../shared/models is not here)' : '';

describe.skipIf(sharedFolder === undefined)(`screening a backdoored model's data${missing}`, () => {
  it('names class 33 alone among four, and its poison with an F1 of at least 0.97', async () => {
    const set = poisonedSet('gtsrb_badnets_t33_1', [33, 21, 32, 40]);
    expect(set.poisoned.filter((planted) => planted === 1)).toHaveLength(131);
    const screening = await screenClusters(await activations(set), { seed: 1 });
    const { flagged, f1 } = judgeSuspects(screening, set.poisoned);
    expect(flagged).toEqual([33]);
    // 0.97 is the bound for this set with all its 43 classes, on which the rule was found to reach 0.992.
    expect(f1).toBeGreaterThanOrEqual(0.97);
  });
});
