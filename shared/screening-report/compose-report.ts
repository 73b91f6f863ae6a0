// Puts a report together and refuses one that contradicts itself.
import { type ScreeningReport, screeningReportSchema } from '../contracts/screening-report.ts';
import { GuardError } from '../errors.ts';

/** All that a report holds but its format. */
export type ReportParts = Omit<ScreeningReport, 'format' | 'format_version'>;

/**
 * Composes a report.
 * @throws GuardError `internal` where the parts do not fit each other
 */
export function composeReport(parts: ReportParts): ScreeningReport {
  const read = screeningReportSchema.safeParse({
    ...parts,
    format: 'nccr-guard/screening-report',
    format_version: 1,
  });
  if (read.success) return read.data;
  const [{ path, message }] = read.error.issues;
  throw new GuardError('internal', `the report of a screening: ${path.join('.')} ${message}`, {
    cause: read.error,
  });
}
