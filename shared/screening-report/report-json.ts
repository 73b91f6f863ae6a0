// A report as canonical JSON, written and read.
import canonicalize from 'canonicalize';
import { assert } from '../assert.ts';
import { type ScreeningReport, screeningReportSchema } from '../contracts/screening-report.ts';
import { GuardError } from '../errors.ts';

/** Elements of a list that are written at once. */
const chunkElements = 1_000;

/** Writes a report by RFC 8785: equal reports are equal byte for byte. */
export function reportJson(report: ScreeningReport): string {
  return [...canonicalPieces(report), '\n'].join('');
}

/**
 * Canonical JSON piece by piece: written in one go, a hundred thousand suspects take several times the memory of their text.
 */
function* canonicalPieces(value: unknown): Generator<string> {
  if (Array.isArray(value) && !value.some(holdsList)) {
    for (let start = 0; start < value.length || start === 0; start += chunkElements) {
      const chunk = canonicalText(value.slice(start, start + chunkElements)).slice(1, -1);
      yield `${start === 0 ? '[' : ','}${chunk}`;
    }
    yield ']';
  } else if (Array.isArray(value)) {
    for (const [index, element] of value.entries()) {
      yield index === 0 ? '[' : ',';
      yield* canonicalPieces(element);
    }
    yield ']';
  } else if (holdsList(value)) {
    const entries = Object.entries(value).filter(([, member]) => member !== undefined);
    // By UTF-16 code units, as the standard asks and as a sort without a comparison does.
    const members = new Map(entries);
    for (const [index, name] of [...members.keys()].sort().entries()) {
      yield `${index === 0 ? '{' : ','}${JSON.stringify(name)}:`;
      yield* canonicalPieces(members.get(name));
    }
    yield '}';
  } else {
    yield canonicalText(value);
  }
}

function canonicalText(value: unknown): string {
  const text = canonicalize(value);
  assert(text !== undefined, 'a report holds values of JSON alone');
  return text;
}

/** Whether an object has a list in it, however deep. */
function holdsList(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.values(value).some((member) => Array.isArray(member) || holdsList(member));
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
