// A small robustness report with figures that a test can know by heart.
import { boxOf } from '../../gpu-worker/evaluate/model-robustness.ts';
import type { ModelRobustness, RobustnessReport } from '../../shared/contracts/robustness-report.ts';
import { meanInterval } from '../../shared/maths/mean-interval.ts';

/** A model whose sets of noise gave these means. */
export function robustModel(name: string, sets: readonly number[], digit = '0'): ModelRobustness {
  const over = (scale: number) => {
    const values = sets.map((value) => scale * value);
    return { ...meanInterval(values), sets: values };
  };
  const measure = (scale: number) => ({ ...over(scale), box: boxOf(over(scale).sets) });
  return {
    name,
    digest: `sha256:${digit.repeat(64)}`,
    classes: 3,
    relative: measure(1),
    l2: measure(10),
    accuracy: {
      clean: 0.9,
      random_noise: { ...meanInterval(sets.map(() => 0.8)), sets: sets.map(() => 0.8) },
      pgd: 0.25,
    },
    per_class: [0, 2].map((label) => ({ label, images: 2, relative: 0.2, l2: 2, accuracy: 1 })),
    per_layer: [{ tensor: 'conv1', neurons: 4, relative: over(2), l2: 1.5 }],
  };
}

/** A report on these models, whose sets of noise are those of the first one. */
export function robustnessReportOf(
  models: readonly ModelRobustness[],
  changes: Partial<RobustnessReport> = {},
): RobustnessReport {
  return {
    format: 'nccr-guard/robustness-report',
    format_version: 1,
    created_at: '2026-05-01T10:00:00.000Z',
    dataset: { name: 'digits', images: 4, digest: `sha256:${'d'.repeat(64)}` },
    noise: { family: 'gaussian', epsilon: 0.3, sets: models[0].relative.sets.length, seed: 1, range: [0, 1] },
    attack: { name: 'pgd', epsilon: 0.3, steps: 20, images: 4 },
    device: 'a processor',
    models: [...models],
    earlier: [],
    ...changes,
  };
}
