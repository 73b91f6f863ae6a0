// What a screening found, as lines to read and as JSON to go on with.
import type { ClassVerdict } from '../../shared/contracts/screening.ts';
import type { ScreeningReport } from '../../shared/contracts/screening-report.ts';
import type { UploadSummary } from '../../shared/uploads/upload.ts';

type PoisonedClass = Extract<ClassVerdict, { verdict: 'poisoned' }>;

/** Labels that a line lists before it says how many more there are. */
const labelsListed = 12;

/** The counts of a report, for programs. */
export function screeningSummary(
  { dataset, mode, screening, truth }: ScreeningReport,
  written: readonly string[],
) {
  const { examples, classes, seed, verdicts } = screening;
  const labels = labelsBy(verdicts);
  return {
    dataset: dataset.name,
    mode,
    seed,
    examples,
    classes,
    poisoned: poisonedOf(verdicts).map(({ label, examples, direction, separation, suspects }) => {
      return { label, examples, suspects: suspects.length, direction, separation };
    }),
    clean: labels.clean,
    too_small: labels.too_small,
    ...(truth && { truth }),
    written,
  };
}

/** The same for people. */
export function screeningText(
  { dataset, model, mode, screening, truth }: ScreeningReport,
  {
    summary: { ignored },
    written,
    neurons,
  }: { summary: UploadSummary; written: readonly string[]; neurons: number },
): string {
  const { examples, verdicts, rule } = screening;
  const { clean, too_small: small } = labelsBy(verdicts);
  const poisoned = poisonedOf(verdicts);
  const nameOf = (label: number) => {
    const name = dataset.class_names?.[label];
    return name === undefined || name === String(label) ? String(label) : `${label} (${name})`;
  };
  const lines = [
    `screened ${examples} examples in ${verdicts.length} classes through ${model.name}: ${mode}, ${neurons} neurons`,
    ...(ignored ? [`left out ${ignored.files} files that are no examples, such as ${ignored.first[0]}`] : []),
    `${poisoned.length} poisoned, ${clean.length} clean, ${small.length} too small to judge`,
    ...poisoned.map((verdict) => poisonedLine(verdict, nameOf)),
    ...(small.length > 0 ? [`under ${rule.examples_min} examples: class ${listed(small.map(nameOf))}`] : []),
    ...(truth ? [truthLine(truth)] : []),
    ...written.map((path) => `wrote ${path}`),
  ];
  return lines.join('\n');
}

function poisonedLine(verdict: PoisonedClass, nameOf: (label: number) => string): string {
  const { label, examples, suspects, direction, separation, clusters, poison_cluster: poison } = verdict;
  const entropies = [clusters[poison], clusters[1 - poison]].map(({ entropy_bits }) =>
    entropy_bits.toFixed(2),
  );
  const sure = direction === 'weak' ? ', direction weak: it is the smaller cluster, look at it first' : '';
  return `class ${nameOf(label)}: ${suspects.length} suspects of ${examples} examples, separation ${separation.toFixed(1)}, runner-up entropy ${entropies[0]} to ${entropies[1]} bits${sure}`;
}

function truthLine({
  poison,
  true_positives,
  false_positives,
  f1,
}: NonNullable<ScreeningReport['truth']>): string {
  const score = f1 === null ? '' : `, F1 ${f1.toFixed(3)}`;
  return `of ${poison} planted examples ${true_positives} are suspects; suspects that were not planted: ${false_positives}${score}`;
}

function poisonedOf(verdicts: readonly ClassVerdict[]): PoisonedClass[] {
  return verdicts.filter((verdict) => verdict.verdict === 'poisoned');
}

function labelsBy(verdicts: readonly ClassVerdict[]): { clean: number[]; too_small: number[] } {
  const of = (wanted: ClassVerdict['verdict']) =>
    verdicts.filter(({ verdict }) => verdict === wanted).map(({ label }) => label);
  return { clean: of('clean'), too_small: of('too_small') };
}

function listed(labels: readonly string[]): string {
  const more = labels.length - labelsListed;
  return `${labels.slice(0, labelsListed).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
