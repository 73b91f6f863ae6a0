// The steps of the Square attack: its schedule as the paper has it, and examples that stay within their ends.
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../shared/maths/random.ts';
import { squareShare, squareStart, withSquare } from '../../../shared/maths/square-steps.ts';

const shape = { channels: 2, height: 5, width: 4 };
const ends = [-1, 1].map((end) => new Float32Array(40).fill(end));

describe('the steps of the Square attack', () => {
  it('halve the area after 10, 50, 200, 500, 1000, 2000, 4000, 6000 and 8000 of 10,000 queries (section 3.3)', () => {
    expect(
      [0, 0.001, 0.0011, 0.0051, 0.021, 0.051, 0.11, 0.21, 0.41, 0.61, 0.81, 1].map(squareShare),
    ).toEqual([0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9].map((halvings) => 0.5 ** halvings));
  });

  it('start with columns of one end each', () => {
    const start = squareStart(ends, shape, seededRandom(1));
    for (let channel = 0; channel < 2; channel++) {
      for (let column = 0; column < 4; column++) {
        const values = [0, 1, 2, 3, 4].map((row) => start[(channel * 5 + row) * 4 + column]);
        expect(new Set(values).size).toBe(1);
      }
    }
    expect(start.every((value) => Math.abs(value) === 1)).toBe(true);
  });

  it('change one square and nothing else, and leave what they began with alone', () => {
    const best = new Float32Array(40);
    const tried = withSquare(best, { ends, image: shape, share: 0.2, random: seededRandom(2) });
    expect(best.every((value) => value === 0)).toBe(true);
    // A share of 0.2 of 5 x 4 pixels is a square of 2 x 2, in each of two channels.
    expect(tried.filter((value) => value !== 0).length).toBe(8);
  });

  it('end where no place changes anything', () => {
    const same = [new Float32Array(40), new Float32Array(40)];
    const options = { ends: same, image: shape, share: 1, random: seededRandom(3) };
    expect(withSquare(new Float32Array(40), options)).toEqual(new Float32Array(40));
  });
});
