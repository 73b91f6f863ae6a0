// How long a verdict may take: what a client may ask for, and what it can do with that.
import { describe, expect, it } from 'vitest';
import {
  clientTimeoutHeader,
  clientTimeoutMs,
  ofWhoseDeadline,
  verdictDeadline,
} from '../../../edge/guard/verdict-deadline.ts';
import { GuardError } from '../../../shared/errors.ts';

const read = (text: string) => clientTimeoutMs(new Headers({ [clientTimeoutHeader]: text }));

describe('the header of a client', () => {
  it.each([
    ['1', 1],
    ['250', 250],
    ['600000', 600_000],
  ])('may be %s', (text, milliseconds) => {
    expect(read(text)).toBe(milliseconds);
  });

  it.each(['0', '600001', '-1', '1.5', '1e3', 'soon', '', '5000000000', '100, 200'])(
    'may not be %j',
    (text) => {
      expect(() => read(text)).toThrow(/x-guard-timeout-ms: must be a whole number/);
    },
  );

  it('need not be there', () => {
    expect(clientTimeoutMs(new Headers())).toBeUndefined();
  });
});

describe('the deadline', () => {
  it.each([
    ['the policy’s where the client says nothing', undefined, { at: 1_500, ofClient: false }],
    ['the client’s where it has less time', 499, { at: 1_499, ofClient: true }],
    ['the policy’s where the client has as much', 500, { at: 1_500, ofClient: false }],
    ['the policy’s where the client has more', 501, { at: 1_500, ofClient: false }],
  ])('is %s', (_what, clientMs, expected) => {
    expect(verdictDeadline({ policyMs: 500, clientMs }, 1_000)).toEqual(expected);
  });

  it('is not the guard’s failure where the client’s own has passed', () => {
    const late = new GuardError('deadline_exceeded', 'late');
    expect(ofWhoseDeadline(late, { at: 0, ofClient: true })).toMatchObject({
      code: 'client_deadline_exceeded',
      cause: late,
    });
    expect(ofWhoseDeadline(late, { at: 0, ofClient: false })).toBe(late);
    const other = new GuardError('extractor_unreachable', 'gone');
    expect(ofWhoseDeadline(other, { at: 0, ofClient: true })).toBe(other);
  });
});
