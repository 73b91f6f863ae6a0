// W3C Trace Context, by the rules and examples of the specification (sections 3.2, 3.3 and 4).
import { describe, expect, it } from 'vitest';
import { receiveTrace, sendTrace } from '../../../edge/clients/trace-context.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const parentId = '00f067aa0ba902b7';
const state = 'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE';
const sent = (headers: Record<string, string>) => sendTrace(receiveTrace(new Headers(headers)));

describe('a valid traceparent', () => {
  it('is continued by a span of the guard, its flag and its state kept', () => {
    for (const flags of ['00', '01']) {
      const { traceparent, tracestate } = sent({
        traceparent: `00-${traceId}-${parentId}-${flags}`,
        tracestate: state,
      });
      const [version, trace, span, kept] = traceparent.split('-');
      expect([version, trace, kept]).toEqual(['00', traceId, flags]);
      expect(span).toMatch(/^[0-9a-f]{16}$/);
      expect(span).not.toBe(parentId);
      expect(tracestate).toBe(state);
    }
  });

  it('sends no state where none came', () => {
    expect(sent({ traceparent: `00-${traceId}-${parentId}-01` })).not.toHaveProperty('tracestate');
  });

  it('keeps the flags that are known and sets the others to zero', () => {
    expect(sent({ traceparent: `00-${traceId}-${parentId}-ff` }).traceparent).toMatch(/-03$/);
  });

  it('of a later version is read as far as version 00 goes, and answered in version 00', () => {
    const { traceparent } = sent({
      traceparent: `cc-${traceId}-${parentId}-01-what-the-future-will-be-like`,
    });
    expect(traceparent).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
  });
});

describe('a traceparent that is not valid', () => {
  it.each([
    ['', 'is not there'],
    ['garbage', 'is none'],
    [`00-${traceId.toUpperCase()}-${parentId}-01`, 'is in capitals'],
    [`00-${'0'.repeat(32)}-${parentId}-01`, 'has a trace id of zeros'],
    [`00-${traceId}-${'0'.repeat(16)}-01`, 'has a parent id of zeros'],
    [`ff-${traceId}-${parentId}-01`, 'has the forbidden version'],
    [`00-${traceId}-${parentId}-01-more`, 'has more than version 00 may have'],
    [`cc-${traceId}-${parentId}-01.what`, 'has a later version without a dash behind the flags'],
    [`00-${traceId}-${parentId}-01, 00-${traceId}-${parentId}-01`, 'is there twice'],
    [`00-${traceId.slice(1)}-${parentId}-01`, 'is too short'],
  ])('begins a new trace without the state: %s %s', (traceparent) => {
    const next = sent({ ...(traceparent !== '' && { traceparent }), tracestate: state });
    expect(next.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    expect(next.traceparent).not.toContain(traceId);
    expect(next).not.toHaveProperty('tracestate');
  });

  it('gets another trace each time', () => {
    expect(sent({}).traceparent).not.toBe(sent({}).traceparent);
  });
});
