import { describe, expect, it } from 'vitest';
import type { AttackRun } from '../../../gpu-worker/evaluate/guard-attack-runs.ts';
import { type MaskingContext, maskingFlags } from '../../../gpu-worker/evaluate/masking-flags.ts';

/** A run over four images; each text is a budget, a 1 an image that is lost. */
function run(attack: string, sees: AttackRun['sees'], ...lost: string[]): AttackRun {
  return { attack, sees, lost: lost.map((text) => Uint8Array.from(text, Number)), tried: [] };
}

const context: MaskingContext = { lostClean: new Uint8Array(4), budgets: [0.1, 0.2], zeroGradients: 0 };
const sound = {
  known: run('adaptive-known', 'gradients', '1000', '1110'),
  secret: run('adaptive-secret', 'gradients', '1000', '1100'),
  square: run('square', 'answers', '0000', '1000'),
  noise: run('uniform-noise', 'nothing', '0000', '0000'),
};

function raised(runs: Partial<typeof sound>, more: Partial<MaskingContext> = {}): string[] {
  const flags = maskingFlags(Object.values({ ...sound, ...runs }), { ...context, ...more });
  return flags.filter((one) => one.raised).map(({ flag }) => flag);
}

describe('the signs of gradient masking', () => {
  it('are not raised where attacks order as they should', () => {
    expect(raised({})).toEqual([]);
  });

  it('are one where no attack knew of the detector', () => {
    const flags = maskingFlags([run('pgd-unaware', 'gradients', '1000', '1000'), sound.square], context);
    expect(flags.map((one) => [one.flag, one.raised])).toEqual([['no-aware-attack', true]]);
    expect(flags[0].detail).toMatch(/upper bounds/);
  });

  it('tell answers that beat gradients', () => {
    expect(raised({ square: run('square', 'answers', '0110', '0000') })).toEqual([
      'black-box-stronger-than-white-box',
    ]);
  });

  it('tell secret noise that is beaten more often than known noise', () => {
    expect(raised({ secret: run('adaptive-secret', 'gradients', '0110', '1111') })).toEqual([
      'less-knowledge-is-stronger',
    ]);
  });

  it('tell an attack unaware of the guard that beats the one that knows all of it', () => {
    const unaware = run('pgd-unaware', 'gradients', '0011', '0000');
    const flags = maskingFlags([...Object.values(sound), unaware], context);
    expect(flags.filter((one) => one.raised)).toEqual([
      { flag: 'less-knowledge-is-stronger', raised: true, detail: 'pgd-unaware at 0.1' },
    ]);
  });

  it('tell a larger budget that does not help, unless all is lost already', () => {
    const stuck = run('adaptive-known', 'gradients', '1100', '1100');
    expect(raised({ known: stuck })).toEqual(['larger-budget-does-not-help']);
    expect(raised({ known: run('adaptive-known', 'gradients', '1111', '1111') })).toEqual([]);
  });

  it('tell noise that succeeds where gradients do not, but not where the clean image is lost', () => {
    const noise = run('uniform-noise', 'nothing', '0000', '0001');
    expect(raised({ noise })).toEqual(['random-noise-succeeds']);
    expect(raised({ noise }, { lostClean: Uint8Array.of(0, 0, 0, 1) })).toEqual([]);
  });

  it('tell steps without a gradient', () => {
    expect(raised({}, { zeroGradients: 0.2 })).toEqual(['zero-gradients']);
  });

  it('work with one budget and one kind of knowledge', () => {
    const runs = [
      run('adaptive-white-box', 'gradients', '1000'),
      run('square', 'answers', '0000'),
      run('uniform-noise', 'nothing', '0000'),
    ];
    const flags = maskingFlags(runs, { ...context, budgets: [0.1] });
    expect(flags.filter((one) => one.raised)).toEqual([]);
  });
});
