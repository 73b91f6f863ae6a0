// What a report calls a class.
import type { ScreeningReport } from '../contracts/screening-report.ts';

/** `class 33`, with its name where that says more than its number: a folder `06` does not. */
export function classTitle({ dataset }: Pick<ScreeningReport, 'dataset'>, label: number): string {
  const name = dataset.class_names?.[label];
  return name === undefined || name.replace(/^0+(?=\d)/, '') === String(label)
    ? `class ${label}`
    : `class ${label} (${name})`;
}
