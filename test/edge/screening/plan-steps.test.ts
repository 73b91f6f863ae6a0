// How a job is cut: shards of whole requests, and classes whose vectors lie together in what was gathered.
import { describe, expect, it } from 'vitest';
import {
  planGathering,
  planJudging,
  planShardExamples,
  planShardGroups,
} from '../../../edge/screening/plan-steps.ts';
import { exampleBlockBytes } from '../../../shared/screening/class-blocks.ts';

const classesOf = (...counts: number[]) =>
  counts.map((examples, index) => ({ label: 2 * index, examples, judged: false }));

describe('the plan of a job', () => {
  it('cuts small sets into shards of one request and large ones into shards of four', () => {
    const pixels = (examples: number, side = 32) => {
      return { examples, datatype: 'UINT8', shape: [3, side, side] } as const;
    };
    const sizes = [1, 900, 4_096, 4_097, 10_000, 1_000_000];
    expect(sizes.map((examples) => planShardExamples(pixels(examples)))).toEqual([
      256, 256, 256, 512, 768, 1_024,
    ]);
    // 8 MiB hold 682 images of 64 x 64, 55 of 224 x 224: the reader of the upload cuts those.
    expect([64, 224].map((side) => planShardExamples(pixels(1_000_000, side)))).toEqual([512, 256]);
    expect(planShardExamples({ examples: 1_000_000, datatype: 'files' })).toBe(256);
  });

  it('takes every shard in one step of extraction, in at most 256 steps', () => {
    for (const shards of [1, 4, 14, 256, 257, 4_000]) {
      const groups = planShardGroups(shards);
      expect(groups.length).toBeLessThanOrEqual(256);
      expect(groups.flatMap(({ from, to }) => Array.from({ length: to - from }, (_, i) => from + i))).toEqual(
        Array.from({ length: shards }, (_, shard) => shard),
      );
    }
  });

  it('judges classes out of the group that they were gathered in, from where they begin there', () => {
    // 24 MiB hold 12,240 examples of 512 neurons.
    const classes = classesOf(3_000, 2_000, 9_000, 100, 100, 20_000, 50);
    expect(planGathering(classes, 512)).toEqual([
      { from: 0, to: 2 },
      { from: 2, to: 5 },
      { from: 5, to: 6 },
      { from: 6, to: 7 },
    ]);
    expect(planJudging(classes, 512)).toEqual([
      { from: 0, to: 1, group: 0, examplesBefore: 0 },
      { from: 1, to: 2, group: 0, examplesBefore: 3_000 },
      { from: 2, to: 3, group: 1, examplesBefore: 0 },
      { from: 3, to: 5, group: 1, examplesBefore: 9_000 },
      { from: 5, to: 6, group: 2, examplesBefore: 0 },
      { from: 6, to: 7, group: 3, examplesBefore: 0 },
    ]);
    expect(exampleBlockBytes(512) * 12_240).toBeLessThanOrEqual(24 * 1024 * 1024);
  });

  it('stays under the thousand steps of a Workflow for a million examples of 512 neurons in a thousand classes', () => {
    const classes = classesOf(...Array.from({ length: 1_000 }, () => 1_000));
    const shards = Math.ceil(
      1_000_000 / planShardExamples({ examples: 1_000_000, datatype: 'UINT8', shape: [3, 32, 32] }),
    );
    const steps = [planShardGroups(shards), planGathering(classes, 512), planJudging(classes, 512)];
    expect(steps.reduce((sum, { length }) => sum + length, 0)).toBeLessThan(900);
  });
});
