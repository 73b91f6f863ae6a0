#!/usr/bin/env node
// The command line: nouns, verbs and exit codes; one file a command does the work.
import { Command, CommanderError } from 'commander';
import { asGuardError } from '../../shared/errors.ts';
import { conformanceCommand } from './conformance.ts';
import { datasetPoisonCommand } from './dataset-poison.ts';
import { datasetScreenCommand } from './dataset-screen.ts';
import { datasetScreenTableCommand } from './dataset-screen-table.ts';
import { demoDigitCommand } from './demo-digit.ts';
import { detectorAttackCommand } from './detector-attack.ts';
import { detectorCalibrateCommand } from './detector-calibrate.ts';
import { detectorEvaluateCommand } from './detector-evaluate.ts';
import { detectorReportCommand } from './detector-report.ts';
import { detectorSignCommand } from './detector-sign.ts';
import { detectorTableCommand } from './detector-table.ts';
import { detectorVerifyCommand } from './detector-verify.ts';
import { figuresCommand } from './figures.ts';
import { modelCompileCommand } from './model-compile.ts';
import { modelEvaluateCommand } from './model-evaluate.ts';

import { modelExportTritonCommand } from './model-export-triton.ts';

import { modelImportCommand } from './model-import.ts';

import { modelOperatorsCommand } from './model-operators.ts';
import { modelTrainCommand } from './model-train.ts';
import { reproduceCommand } from './reproduce.ts';
import { speakerTableCommand } from './speaker-table.ts';

/** 0 done, 1 the work was refused or failed, 2 the command line was wrong, 70 a bug of the program itself. */
const exitCodes = { done: 0, failed: 1, usage: 2, bug: 70 } as const;

/** What a command ends with: a gate changes it. */
interface Exit {
  done: number;
  failed: number;
}

/** Makes every command. @param exit where gates say what the program is to end with */
export function commandLine(exit: Exit = { done: exitCodes.done, failed: exitCodes.failed }): Command {
  const fail = () => {
    exit.done = exitCodes.failed;
  };
  const [screen, evaluate] = [datasetScreenCommand(fail), modelEvaluateCommand(fail)];
  // Of a gate 1 is a verdict: whatever keeps it from one is 2, as for the command line.
  for (const gate of [screen, evaluate]) {
    gate.hook('preAction', () => {
      exit.failed = exitCodes.usage;
    });
  }
  const program = new Command('nccr-guard')
    .description('Guards a neural network: compiles models, calibrates and evaluates detectors.')
    .exitOverride()
    .showHelpAfterError('(add --help for the options)');
  program
    .command('model')
    .description('protected models')
    .addCommand(modelCompileCommand())
    .addCommand(evaluate)
    .addCommand(modelExportTritonCommand())
    .addCommand(modelImportCommand())
    .addCommand(modelOperatorsCommand())
    .addCommand(modelTrainCommand());
  program
    .command('detector')
    .description('detectors of adversarial inputs')
    .addCommand(detectorAttackCommand())
    .addCommand(detectorCalibrateCommand())
    .addCommand(detectorEvaluateCommand())
    .addCommand(detectorSignCommand())
    .addCommand(detectorVerifyCommand())
    .addCommand(detectorTableCommand())
    .addCommand(detectorReportCommand());
  program
    .command('dataset')
    .description('training data')
    .addCommand(datasetPoisonCommand())
    .addCommand(screen)
    .addCommand(datasetScreenTableCommand());
  program.command('speaker').description('speaker models').addCommand(speakerTableCommand());
  program.command('demo').description('inputs for the demo').addCommand(demoDigitCommand());
  program.addCommand(figuresCommand());
  program.addCommand(conformanceCommand(fail));
  program.addCommand(
    reproduceCommand(async (words) => {
      await commandLine().parseAsync([...words], { from: 'user' });
    }),
  );
  program.addHelpText('after', '\nExit codes: 0 done, 1 refused or failed, 2 wrong usage, 70 a bug.');
  for (const command of everyCommand(program)) command.exitOverride();
  return program;
}

/** Runs one command line and answers its exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const exit: Exit = { done: exitCodes.done, failed: exitCodes.failed };
  const program = commandLine(exit);
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return exit.done;
  } catch (thrown) {
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? exitCodes.done : exitCodes.usage;
    const error = asGuardError(thrown);
    if (error.code === 'internal') {
      console.error(thrown);
      return exitCodes.bug;
    }
    console.error(`nccr-guard: ${error.message}`);
    return exit.failed;
  }
}

/** A command and all below it, in the order in which they are listed. */
export function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap((child) => everyCommand(child as Command))];
}

/**
 * Lets the reader of a pipe leave, as `head` does: what nobody reads is dropped, and the work goes on to its own exit code, which of
 * a gate is a verdict.
 */
function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
}

if (import.meta.main) {
  outliveReaders();
  process.exitCode = await main(process.argv.slice(2));
}
