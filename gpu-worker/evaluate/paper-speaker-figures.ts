// The paper's detection figures for speaker models, to stand beside what is measured here.

/** What the columns of its table are: two training sets of its detector, then two baselines. */
export const paperSpeakerMethods = [
  'trained on FGSM',
  'trained on PGD',
  'BL1 vocoder',
  'BL2 MEH-FEST',
] as const;

/** AUROC in the order of {@link paperSpeakerMethods}. */
export type PaperSpeakerRow = readonly [number, number, number, number];

/**
 * Figures copied from the paper, which does not say which of its two environments is the x-vector and which AudioNet.
 * @see NCCR (Pu Shi, 2025), section 5.2, table 5
 */
export const paperSpeakerFigures: Readonly<Record<string, Readonly<Record<string, PaperSpeakerRow>>>> = {
  Env_e: {
    FGSM: [0.9621, 0.9644, 0.7648, 0.9164],
    PGD: [0.9659, 0.9427, 0.7513, 0.9026],
    'C&W': [0.9714, 0.9694, 0.8647, 0.9457],
    FAKEBOB: [0.9613, 0.9537, 0.9861, 0.9014],
  },
  Env_ne: {
    FGSM: [0.9671, 0.9716, 0.7134, 0.8988],
    PGD: [0.9646, 0.9968, 0.7652, 0.8859],
    'C&W': [0.9785, 0.9693, 0.6945, 0.9145],
    FAKEBOB: [0.9581, 0.9474, 0.9816, 0.8416],
  },
};
