// A report as canonical JSON, written and read.
import canonicalize from 'canonicalize';
import { type ScreeningReport, screeningReportSchema } from '../contracts/screening-report.ts';
import { GuardError } from '../errors.ts';

/** Writes a report by RFC 8785: equal reports are equal byte for byte. */
export function reportJson(report: ScreeningReport): string {
  return `${canonicalize(report)}\n`;
}

/**
 * Reads a report back.
 * @throws GuardError `malformed_request` where it is none
 */
export function parseReport(text: string): ScreeningReport {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new GuardError('malformed_request', 'the report of a screening is not JSON', { cause });
  }
  const read = screeningReportSchema.safeParse(value);
  if (read.success) return read.data;
  const [{ path, message }] = read.error.issues;
  throw new GuardError('malformed_request', `not a report of a screening: ${path.join('.')} ${message}`, {
    cause: read.error,
  });
}
