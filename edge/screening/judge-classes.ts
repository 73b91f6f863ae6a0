// Fifth step: the verdicts on some classes, one object a class, with its picture.
import { screenClass } from '../../shared/clustering/screen-class.ts';
import { readBlock } from '../../shared/screening/class-blocks.ts';
import { classPicture } from '../../shared/screening-report/class-picture.ts';
import { objectKeys } from './job-objects.ts';
import type { JobHold } from './job-store.ts';
import { planJudging } from './plan-steps.ts';
import { requireGraph, requireJob } from './require-graph.ts';
import type { ScreeningServices } from './screening-services.ts';

/** Judges the classes of a group that are not judged yet. */
export async function judgeClasses(
  hold: JobHold,
  { group, services }: { group: number; services: ScreeningServices },
): Promise<{ classes: number }> {
  const { jobs, shards, objects } = services;
  const { job } = hold;
  await jobs.keep(hold, { stage: 'judge' });
  const { neurons, classes } = await requireGraph(hold, jobs);
  const { seed } = (await requireJob(hold, jobs)).request.options;
  const stored = await shards.classes(job);
  const { from, to } = planJudging(stored)[group];
  const whitening = new Float64Array((await objects.read(objectKeys.whitening(job))).buffer);
  for (const { label, judged } of stored.slice(from, to)) {
    if (judged) continue;
    const examples = readBlock(await objects.read(objectKeys.class(job, label)), neurons);
    const screened = screenClass(examples, { label, classes, whitening, seed });
    const picture = classPicture(screened, { seed, rows: examples.rows });
    await objects.write(
      objectKeys.verdict(job, label),
      JSON.stringify({ verdict: screened.verdict, picture }),
    );
    await jobs.keep(hold, {}, [shards.markJudged(job, label)]);
  }
  return { classes: to - from };
}
