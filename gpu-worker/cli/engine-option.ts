// The option that says what runs the models of a command.
import { type Command, Option } from 'commander';
import { type OnnxEngineName, onnxEngineNames } from '../engine/engine-name.ts';

/** What the option gives. */
export interface EngineOption {
  readonly engine: OnnxEngineName;
}

/** Adds the option. */
export function addEngineOption(command: Command): Command {
  return command.addOption(
    new Option('--engine <engine>', 'what runs the models; auto is CUDA where it works, else the processor')
      .choices(onnxEngineNames)
      .default('auto'),
  );
}
