// The baselines as columns of a table, each at the parameters of its paper.
import type { ExtractionPlan } from '../../shared/contracts/extraction.ts';
import { GuardError } from '../../shared/errors.ts';
import type { AttackTarget } from '../attacks/attack-target.ts';
import { attackAsDefense } from '../baselines/attack-as-defense.ts';
import { type BaselineScores, gradientPasses } from '../baselines/baseline.ts';
import { openDissector } from '../baselines/dissector.ts';
import { featureSqueezing, squeezersOf } from '../baselines/feature-squeezing.ts';
import { openLabelChangeRate } from '../baselines/label-change-rate.ts';
import { logitMarginBaseline } from '../baselines/logit-margin.ts';
import { maximumSoftmaxBaseline } from '../baselines/maximum-softmax.ts';
import { type Extractor, extractRows, rowNccrL2 } from '../calibrate/extract-rows.ts';
import type { Dataset } from '../datasets/dataset.ts';
import type { Engine } from '../engine/engine.ts';
import { layerTensors } from '../onnx/layer-tensors.ts';
import type { ScoringMethod } from './scoring-method.ts';

/** Baselines as tables name them: the margin comes first, what the paper calls BL1 to BL3 after the plain ones. */
export const baselineNames = [
  'margin',
  'max softmax',
  'l2',
  'label change rate',
  'dissector',
  'a2d',
  'feature squeezing',
] as const;

/** One of {@link baselineNames}. */
export type BaselineName = (typeof baselineNames)[number];

/** What baselines are made of. */
export interface BaselineSetting {
  readonly target: AttackTarget;
  readonly engine: Engine;
  /** The protected model's file. */
  readonly model: Uint8Array;
  readonly plan: ExtractionPlan;
  /** Compiles and loads the model under another plan. */
  readonly compile: (plan: ExtractionPlan) => Promise<Extractor>;
  /** Inputs that designs are trained on, those that the model gets right: no baseline sees more. */
  readonly training: Dataset;
  /** Tensors that the dissector reads; the activations where none is named. */
  readonly layers?: readonly string[] | undefined;
}

/** Columns, and what must be closed after them. */
export interface OpenBaselines {
  readonly methods: readonly ScoringMethod[];
  close(): Promise<void>;
}

/** Mutants: the paper asks up to hundreds in a sequential test; 16 reach its AUROC (docs/results.md) and favour it in time. */
const mutants = 16;
/** Clean inputs on which a mutant must agree with the model. */
const referenceRows = 500;
/** Sub-models of the dissector at most. */
const layersMax = 8;

/** What depends on the kind of image, as the papers choose it for MNIST and for CIFAR-10. */
const settingsOf = {
  grey: { squeezers: squeezersOf.mnist, step: 0.01 },
  colour: { squeezers: squeezersOf.cifar10, step: 0.001 },
} as const;
const attackStepsMax = 50;

/**
 * Opens baselines.
 * @throws GuardError `invalid_model` where one cannot be made for the model
 */
export async function openBaselines(
  names: readonly BaselineName[],
  setting: BaselineSetting,
  onBaseline: (name: string, share: number) => void,
): Promise<OpenBaselines> {
  const methods: ScoringMethod[] = [];
  const closing: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const each of closing) await each();
  };
  try {
    for (const name of baselineNames.filter((known) => names.includes(known))) {
      onBaseline(name, 0);
      const { method, close: closeOne } = await openers[name](setting);
      methods.push({ name, ...method });
      if (closeOne !== undefined) closing.push(closeOne);
      onBaseline(name, 1);
    }
  } catch (cause) {
    await close();
    throw cause;
  }
  return { methods, close };
}

interface Opened {
  readonly method: Omit<ScoringMethod, 'name'>;
  readonly close?: () => Promise<void>;
}

const openers: Readonly<Record<BaselineName, (setting: BaselineSetting) => Promise<Opened>>> = {
  margin: async ({ target }) => scoredBy((inputs) => logitMarginBaseline(target, inputs)),
  'max softmax': async ({ target }) => scoredBy((inputs) => maximumSoftmaxBaseline(target, inputs)),
  l2: openL2,
  'label change rate': async ({ target, engine, model, training }) => {
    const reference = training.inputs.subarray(
      0,
      Math.min(referenceRows, training.labels.length) * (training.inputs.length / training.labels.length),
    );
    const opened = await openLabelChangeRate(target, model, { engine, reference, mutants, seed: 1 });
    const { method } = scoredBy((inputs) => opened.score(inputs));
    const setting = `${mutants} mutants, weights fuzzed by ${opened.deviation} of their deviation`;
    return { method: { ...method, setting }, close: () => opened.close() };
  },
  dissector: async ({ target, engine, model, training, layers }) => {
    const tensors = layers ?? layerTensors(model, layersMax);
    if (tensors.length === 0) {
      throw new GuardError('invalid_model', 'the model has no activation function: name layers to dissect');
    }
    const options = { engine, tensors, training, head: { seed: 1 } };
    const opened = await openDissector(target, model, options);
    return { ...scoredBy((inputs) => opened.score(inputs)), close: () => opened.close() };
  },
  a2d: async ({ target }) => {
    const { step } = settingsFor(target);
    // Timed to its end, as its area is measured; stopped where its own threshold decides it takes about a quarter of that.
    return scoredBy((inputs) => attackAsDefense(target, inputs, { step, stepsMax: attackStepsMax }));
  },
  'feature squeezing': async ({ target }) => {
    const { squeezers } = settingsFor(target);
    return scoredBy((inputs) => featureSqueezing(target, inputs, squeezers));
  },
};

function settingsFor({ inputShape }: AttackTarget): (typeof settingsOf)['grey' | 'colour'] {
  return inputShape[0] === 1 ? settingsOf.grey : settingsOf.colour;
}

/** A column that reads the inputs and nothing of what was extracted. */
function scoredBy(score: (inputs: Float32Array) => Promise<BaselineScores>): Opened {
  return {
    method: {
      score: async ({ inputs }) => [(await score(inputs)).scores],
      scoreAlone: async (input) => {
        const { passesPerInput, gradientsPerInput: gradients = 0 } = await score(input);
        return { forwards: passesPerInput - gradientPasses * gradients, gradients };
      },
    },
  };
}

/** The paper's scalar reads the copies with noise; alone it makes no others. */
async function openL2({ plan, compile }: BaselineSetting): Promise<Opened> {
  const own = { ...plan, taps: [], ...(plan.noise.length > 0 && { transforms: [] }) };
  const extractor = await compile(own);
  return {
    method: {
      score: async ({ rows }) => [rowNccrL2(rows)],
      scoreAlone: async (input) => {
        const rows = await extractRows(extractor, input);
        rowNccrL2(rows);
        return { forwards: rows.logits.length / extractor.compiled.model.classes, gradients: 0 };
      },
    },
    close: () => extractor.model.release(),
  };
}
