// Which steps are run, read or left out, and what a killed or damaged run leaves to be done.
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeWhole } from '../../../gpu-worker/cli/write-file.ts';
import type { PlannedStep } from '../../../gpu-worker/reproduce/reproduction-steps.ts';
import { runSteps } from '../../../gpu-worker/reproduce/run-steps.ts';
import { GuardError } from '../../../shared/errors.ts';

let folder: string;
let ran: string[][];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'steps-'));
  ran = [];
  await writeFile(join(folder, 'data.bin'), 'data');
});
afterEach(() => rm(folder, { recursive: true }));

const planned = (name: string, more: Partial<PlannedStep> = {}): PlannedStep => ({
  name,
  tables: ['table-1'],
  command: ['measure', name],
  inputs: [join(folder, 'data.bin')],
  result: 'report',
  needs: [],
  ...more,
});

/** Runs steps whose commands write their second word, or do what `breaks` says. */
const run = (steps: readonly PlannedStep[], { code = 'a', breaks = () => {} } = {}) =>
  runSteps(steps, {
    folder,
    code,
    write: writeWhole,
    onStep: () => {},
    runCommand: async (words) => {
      ran.push([...words]);
      breaks();
      await writeWhole(words[words.indexOf('--out') + 1], `result of ${words[1]}`);
    },
  });
const states = async (...of: Parameters<typeof run>) => (await run(...of)).map(({ step }) => step.state);

describe('steps', () => {
  it('are run once, and read the next time with the time that they took', async () => {
    const steps = [planned('one', { keep: '--keep' }), planned('two')];
    const [first] = await run(steps);
    expect(first.step).toMatchObject({
      state: 'done',
      page: expect.stringMatching(/^steps\/one-\w+\.html$/),
    });
    expect(ran[0]).toEqual(expect.arrayContaining(['--keep', join(folder, 'parts'), '--html']));
    expect(ran[1]).not.toContain('--keep');
    const [again] = await run(steps);
    expect(again.step).toEqual({ ...first.step, state: 'kept' });
    expect(ran).toHaveLength(2);
  });

  it('go on where a run was killed between two of them, or within one', async () => {
    const steps = [planned('one'), planned('two')];
    const killed = () => {
      if (ran.length === 2) throw new RangeError('as if killed');
    };
    await expect(run(steps, { breaks: killed })).rejects.toThrow('as if killed');
    expect(await states(steps)).toEqual(['kept', 'done']);
    // A result without its mark is half a step.
    const mark = (await readdir(join(folder, 'steps'))).find((name) => /^one.*done\.json$/.test(name))!;
    await rm(join(folder, 'steps', mark));
    expect(await states(steps)).toEqual(['done', 'kept']);
  });

  it('are made again where result, input, command or code is another', async () => {
    const steps = [planned('one')];
    await run(steps);
    const result = (await readdir(join(folder, 'steps'))).find((name) => /^one-\w+\.json$/.test(name))!;
    await writeFile(join(folder, 'steps', result), 'damaged');
    expect(await states(steps)).toEqual(['done']);
    expect(await states(steps, { code: 'b' })).toEqual(['done']);
    expect(await states([planned('one', { command: ['measure', 'one', 'more'] })])).toEqual(['done']);
    await writeFile(join(folder, 'data.bin'), 'other');
    expect(await states(steps)).toEqual(['done']);
    expect(await states(steps)).toEqual(['kept']);
  });

  it('without their data, or without what they need, are left out and say why', async () => {
    const outcomes = await run([
      planned('one', { inputs: [join(folder, 'none.bin')] }),
      planned('two', { needs: ['one'], command: ['measure', '{one}'] }),
    ]);
    expect(outcomes.map(({ step }) => step.detail)).toEqual([
      `there is no ${join(folder, 'none.bin')}`,
      'there is no result of one',
    ]);
    expect(ran).toEqual([]);
  });

  it('read the results of those that they need', async () => {
    const outcomes = await run([
      planned('one', { result: 'model' }),
      planned('two', { needs: ['one'], command: ['measure', '{one}'] }),
    ]);
    expect(ran[1][1]).toBe(outcomes[0].file);
    expect(await readFile(outcomes[0].file!, 'utf8')).toBe('result of one');
    expect(ran[0]).not.toContain('--html');
  });

  it('that draw figures are a folder, which is read whole', async () => {
    const steps = [planned('one', { result: 'figures' })];
    const draws = async (words: readonly string[]) => {
      ran.push([...words]);
      await writeWhole(join(words[words.indexOf('--out') + 1], 'figure-1.svg'), '<svg/>');
    };
    const runner = { folder, code: 'a', write: writeWhole, onStep: () => {}, runCommand: draws };
    const [first] = await runSteps(steps, runner);
    expect(await readdir(first.file!)).toEqual(['figure-1.svg']);
    expect((await runSteps(steps, runner))[0].step.state).toBe('kept');
    await rm(join(first.file!, 'figure-1.svg'));
    expect((await runSteps(steps, runner))[0].step.state).toBe('done');
    expect(ran).toHaveLength(2);
  });

  it('that are refused leave the others be; a bug does not', async () => {
    const steps = [planned('one'), planned('two')];
    const refused = () => {
      if (ran.length === 1) throw new GuardError('invalid_dataset', 'no such images');
    };
    const outcomes = await run(steps, { breaks: refused });
    expect(outcomes.map(({ step }) => [step.state, step.detail])).toEqual([
      ['failed', 'no such images'],
      ['done', undefined],
    ]);
    expect(outcomes[0].file).toBeUndefined();
    expect(await states(steps)).toEqual(['done', 'kept']);
  });
});
