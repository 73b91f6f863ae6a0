// Fifth step: the verdicts on some classes with their pictures, one object a group.
import { screenClass } from '../../shared/clustering/screen-class.ts';
import type { ClassVerdict } from '../../shared/contracts/screening.ts';
import type { ClassPicture } from '../../shared/contracts/screening-report.ts';
import { exampleBlockBytes, readBlocks } from '../../shared/screening/class-blocks.ts';
import { classPicture } from '../../shared/screening-report/class-picture.ts';
import { objectKeys } from './job-objects.ts';
import type { JobHold } from './job-store.ts';
import { planJudging } from './plan-steps.ts';
import { requireGraph, requireJob } from './require-graph.ts';
import type { ScreeningServices } from './screening-services.ts';

/** What a group's object holds of each class. */
export interface JudgedClass {
  readonly verdict: ClassVerdict;
  readonly picture?: ClassPicture | undefined;
}

/** Judges the classes of a group, unless they are judged already. */
export async function judgeClasses(
  hold: JobHold,
  { group, services }: { group: number; services: ScreeningServices },
): Promise<{ classes: number }> {
  const { jobs, shards, objects } = services;
  const { job } = hold;
  await jobs.keep(hold, { stage: 'judge' });
  const { neurons, classes } = await requireGraph(hold, jobs);
  const stored = await shards.classes(job);
  const { from, to, group: gathered, examplesBefore } = planJudging(stored, neurons)[group];
  const own = stored.slice(from, to);
  if (own.every(({ judged }) => judged)) return { classes: own.length };
  const { seed } = (await requireJob(hold, jobs)).request.options;
  const whitening = new Float64Array((await objects.read(objectKeys.whitening(job))).buffer);
  const counts = own.map(({ label, examples }) => [label, examples] as const);
  const size = exampleBlockBytes(neurons);
  const length = counts.reduce((sum, [, examples]) => sum + examples, 0) * size;
  const range = { offset: examplesBefore * size, length };
  const bytes = await objects.read(objectKeys.gathered(job, gathered), range);
  const judged: JudgedClass[] = [];
  for (const [label, examples] of readBlocks(bytes, counts, neurons)) {
    const screened = screenClass(examples, { label, classes, whitening, seed });
    judged.push({
      verdict: screened.verdict,
      picture: classPicture(screened, { seed, rows: examples.rows }),
    });
  }
  await objects.write(objectKeys.verdicts(job, group), JSON.stringify(judged));
  const labels = { first: own[0].label, last: own[own.length - 1].label };
  await jobs.keep(hold, {}, [shards.markJudged(job, labels)]);
  return { classes: own.length };
}
