// Ids of verdicts: they sort by the time at which they were made.
import { timedUuid } from '../clients/timed-uuid.ts';

const prefix = 'gv_';

/** A new id: the prefix and a version 7 UUID. */
export function verdictId(now = Date.now()): string {
  return `${prefix}${timedUuid(now)}`;
}

/** Whether a text can be an id of a verdict. */
export function isVerdictId(text: string): boolean {
  return /^gv_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text);
}
