import { describe, expect, it } from 'vitest';
import { selectionText } from '../../../gpu-worker/cli/selection-text.ts';
import type { CandidateReport } from '../../../shared/contracts/detector-artefact.ts';

const candidate: CandidateReport = {
  design: 'margin-changes',
  noise_copies: 0,
  transforms: ['blur 0.5,5'],
  parameters: 700,
  forwards: 2,
  auroc_smallest: 0.99,
  auroc_fixed: 0.97,
  worst_attack: { attack: 'jsma', auroc: 0.95 },
  worst_shift: { shift: 'contrast 0.8', fpr: 0.06 },
  value: 0.98,
};

describe('how a choice is printed', () => {
  it('marks the chosen candidate and names those that are too large, with transforms or without', () => {
    const text = selectionText({
      folds: 3,
      rule: 'the rule',
      reason: 'the reason',
      chosen: 0,
      candidates: [candidate],
      too_large: [
        { design: 'rank-gaps', noise_copies: 4, transforms: [], parameters: 2848 },
        { design: 'margin-changes', noise_copies: 0, transforms: ['mirror'], parameters: 1800 },
      ],
      training: { steps: 750, tried: [{ steps: 750, value: 0.98 }] },
    });
    expect(text).toMatch(/^> +0\.9800 .*margin-changes +0 +blur 0\.5,5$/m);
    expect(text).toMatch(/^not tried, 2848 parameters: rank-gaps$/m);
    expect(text).toMatch(/^not tried, 1800 parameters: margin-changes over mirror$/m);
  });
});
