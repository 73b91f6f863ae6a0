import { expect, it } from 'vitest';
import { jsonText } from '../../../shared/oip/json-text.ts';

it('is what JSON.stringify writes, with the sign of a zero', () => {
  const value = { a: [1, -0, 0, '-0', null], b: { c: true }, d: undefined };
  expect(jsonText(value)).toBe('{"a":[1,-0,0,"-0",null],"b":{"c":true}}');
});
