import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { operatorPage, operatorRows } from '../../../gpu-worker/onnx/operator-table.ts';

const page = new URL('../../../docs/operators.md', import.meta.url);

describe('the table of operators', () => {
  it('is the page in docs: write it by `nccr-guard model operators --write docs/operators.md`', () => {
    expect(readFileSync(page, 'utf8')).toBe(operatorPage());
  });

  it('says of each operator what the registries say', () => {
    const rows = new Map(operatorRows().map((row) => [row.operator, row]));
    expect(rows.get('Conv')).toEqual({
      operator: 'Conv',
      batch: 'follows',
      tap: 'named',
      byInput: true,
      byParameters: true,
      reason: '',
    });
    expect(rows.get('Gelu')).toMatchObject({ tap: 'layer', byInput: true, byParameters: false });
    expect(rows.get('Reshape')).toMatchObject({ batch: 'rule', byInput: true });
    expect(rows.get('Split')).toMatchObject({ byInput: true });
    expect(rows.get('If')).toMatchObject({ batch: 'refused', tap: 'no', byInput: false });
    expect(rows.get('LSTM')).toMatchObject({ byInput: false, reason: expect.stringContaining('recurrent') });
    expect(rows.get('ArgMax')).toMatchObject({ tap: 'no', byInput: false });
    expect(rows.get('GridSample')).toMatchObject({ byInput: false, reason: 'there is no rule' });
  });

  it('gives a reason wherever there is no gradient', () => {
    for (const { operator, byInput, reason } of operatorRows()) expect(reason === '', operator).toBe(byInput);
  });
});
