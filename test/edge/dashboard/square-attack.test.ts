// The browser's attack against a model whose margin is known in closed form.
import { describe, expect, it } from 'vitest';
import { type SquareCourse, squareAttack } from '../../../edge/dashboard/browser/square-attack.ts';
import { seededRandom } from '../../../shared/maths/random.ts';

const [height, width] = [6, 6];
const image = new Float32Array(height * width).fill(0.5);
/** A linear model: the brighter the left half, the surer it is. */
const brightness = (shown: Float32Array) =>
  shown.reduce((sum, value, index) => sum + (index % width < 3 ? value - 0.5 : 0.5 - value), 0);
const attack = (changed: object = {}) => {
  const asked: Float32Array[] = [];
  const courses: SquareCourse[] = [];
  const running = squareAttack({
    image,
    height,
    width,
    epsilon: 0.2,
    queries: 300,
    random: seededRandom(1),
    margin: (tried) => {
      asked.push(tried);
      return Promise.resolve(brightness(tried) + 3);
    },
    onQuery: (course) => {
      courses.push(course);
      return true;
    },
    ...changed,
  });
  return { running, asked, courses };
};

describe('the Square attack of the browser', () => {
  it('misleads the model within its radius, and never loses ground', async () => {
    const { running, asked, courses } = attack();
    const end = await running;
    expect(end.margin).toBeLessThan(0);
    expect(end.queries).toBe(asked.length);
    expect(brightness(end.image) + 3).toBeCloseTo(end.margin!, 5);
    for (const tried of asked) {
      for (const [index, value] of tried.entries()) {
        expect(Math.abs(value - image[index])).toBeLessThanOrEqual(0.2 + 1e-6);
      }
    }
    for (const [index, { margin }] of courses.entries()) {
      if (index > 0) expect(margin).toBeLessThanOrEqual(courses[index - 1].margin!);
    }
  });

  it('gives up after its last query', async () => {
    // 36 pixels that change by 0.2 take at most 7.2 from the margin.
    const { running, asked } = attack({
      margin: (tried: Float32Array) => Promise.resolve(brightness(tried) + 8),
    });
    const end = await running;
    expect([end.queries, end.margin! > 0, asked.length]).toEqual([300, true, 0]);
  });

  it('learns nothing where every query is refused, and says so', async () => {
    const { running } = attack({ queries: 20, margin: () => Promise.resolve(undefined) });
    expect(await running).toMatchObject({ queries: 20, refused: 20, margin: undefined });
  });

  it('goes on from what was answered where some queries are refused', async () => {
    let count = 0;
    const { running } = attack({
      margin: (tried: Float32Array) => Promise.resolve(count++ % 3 === 0 ? undefined : brightness(tried) + 3),
    });
    const end = await running;
    expect(end.margin).toBeLessThan(0);
    expect(end.refused).toBeGreaterThan(0);
  });

  it('stops when it is told to', async () => {
    const { running } = attack({ onQuery: ({ queries }: SquareCourse) => queries < 3, queries: 50 });
    expect((await running).queries).toBeLessThanOrEqual(3);
  });
});
