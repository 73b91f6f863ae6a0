// How a design was chosen, for a person: a line a candidate, and the reason.
import type { Selection } from '../../shared/contracts/detector-artefact.ts';
import { candidateName } from '../calibrate/select-candidate.ts';

/** The table of candidates, best first, the chosen one marked. */
export function selectionText({
  candidates,
  chosen,
  too_large: tooLarge,
  reason,
  rule,
  folds,
  training,
}: Selection): string {
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  const header = [
    '',
    'value',
    'AUROC smallest',
    'fixed',
    'worst attack',
    '',
    'worst shift',
    'flagged',
    'parameters',
    'forwards',
    'design',
    'noise',
    'transforms',
  ];
  const lines = candidates.map((candidate, index) => [
    index === chosen ? '>' : '',
    candidate.value.toFixed(4),
    candidate.auroc_smallest.toFixed(4),
    candidate.auroc_fixed.toFixed(4),
    candidate.worst_attack.auroc.toFixed(4),
    candidate.worst_attack.attack,
    candidate.worst_shift.shift,
    percent(candidate.worst_shift.fpr),
    `${candidate.parameters}`,
    `${candidate.forwards}`,
    candidate.design,
    `${candidate.noise_copies}`,
    candidate.transforms.join(', '),
  ]);
  const rows = [header, ...lines];
  const widths = header.map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return [
    ...rows.map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]))
        .join('  ')
        .trimEnd(),
    ),
    ...tooLarge.map(
      (candidate) => `not tried, ${candidate.parameters} parameters: ${candidateName(candidate)}`,
    ),
    `${folds} folds by image; ${rule}`,
    `chosen: ${candidates[chosen].design}, since ${reason}`,
    `trained for ${training.steps} steps: ${training.tried.map(({ steps, value }) => `value ${value.toFixed(4)} after ${steps}`).join(', ')}`,
  ].join('\n');
}
