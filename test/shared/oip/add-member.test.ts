// A member added to another server's answer, and every other byte as it came.
import { describe, expect, it } from 'vitest';
import { addMember } from '../../../shared/oip/add-member.ts';

const added = { inside: 'parameters', name: 'guard_rows_cut', value: '1,3' };

function addTo(text: string, member: Parameters<typeof addMember>[1] = added): string | undefined {
  const bytes = addMember(new TextEncoder().encode(text), member);
  return bytes && new TextDecoder().decode(bytes);
}

describe('addMember', () => {
  it('makes the object that is to hold it, and keeps numbers that a double cannot hold', () => {
    expect(addTo(' {"data": [9007199254740993, 1.0]}\n')).toBe(
      ' {"parameters":{"guard_rows_cut":"1,3"},"data": [9007199254740993, 1.0]}\n',
    );
    expect(addTo('{}')).toBe('{"parameters":{"guard_rows_cut":"1,3"}}');
  });

  it('puts it first into the object that is there, not into one of the same name further down', () => {
    const outputs = '"outputs":[{"parameters":{"a":1}}]';
    expect(addTo(`{${outputs},"parameters" : { "b":"}{" }}`)).toBe(
      `{${outputs},"parameters" : {"guard_rows_cut":"1,3", "b":"}{" }}`,
    );
    expect(addTo(`{"x":"\\"parameters\\":{","par\\u0061meters":{}}`)).toBe(
      `{"x":"\\"parameters\\":{","par\\u0061meters":{"guard_rows_cut":"1,3"}}`,
    );
  });

  it('adds to the outermost object where nothing else is said', () => {
    expect(addTo('{"predictions":[]}', { name: 'a', value: 'b' })).toBe('{"a":"b","predictions":[]}');
  });

  it('leaves what is no object, or says the member already', () => {
    for (const text of [
      '[]',
      '3',
      'null',
      '{"parameters":[]}',
      '{"parameters":null}',
      '{"parameters":{"guard_rows_cut":"0"}}',
    ]) {
      expect(addTo(text), text).toBeUndefined();
    }
    expect(() => addTo('{"a":')).toThrow(/not JSON/);
  });
});
