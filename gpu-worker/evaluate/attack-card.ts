// The figures of an attack on the guard as the detector's artefact carries them.
import type { AttackCard } from '../../shared/contracts/detector-artefact.ts';
import type { GuardAttackReport } from './guard-attack.ts';

/** Sums a report up. */
export function attackCard(report: GuardAttackReport, createdAt: Date): AttackCard {
  return {
    created_at: createdAt.toISOString(),
    dataset: report.dataset.name,
    images: report.dataset.images,
    parameters: report.parameters,
    clean: report.clean,
    budgets: report.budgets.map(({ epsilon, bare, guarded }) => ({
      epsilon,
      worst_attack: guarded.worst_attack,
      effective_accuracy: guarded.worst_effective_accuracy,
      effective_accuracy_bare: bare.worst_effective_accuracy,
    })),
    masking: report.masking.filter(({ raised }) => raised).map(({ flag }) => flag),
  };
}
