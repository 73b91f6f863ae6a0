// `nccr-guard demo digit`: the body of an inference request with a digit drawn here, as it is or under attack.
import { Command, InvalidArgumentError } from 'commander';
import { encode } from 'fast-png';
import { GuardError } from '../../shared/errors.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import { drawDigit } from '../datasets/synthetic-digits.ts';
import { demoDigits } from '../demo/demo-digits.ts';
import { demoGuarded } from '../demo/demo-guarded.ts';
import { createOrtEngine } from '../engine/ort-engine.ts';
import { oneOf } from './options.ts';
import { writeWhole } from './write-file.ts';

interface DigitOptions {
  readonly label: number;
  readonly attack?: (typeof attacks)[number];
  readonly png?: string;
  readonly model?: string;
  readonly detector?: string;
}

/** PGD at the smallest radius that succeeds, and at the larger one of the demo. */
const attacks = ['pgd', 'pgd-fixed'] as const;

/** Makes the command. */
export function demoDigitCommand(): Command {
  return new Command('digit')
    .description('print an inference request: a drawn digit, clean or attacked with PGD')
    .option('--label <digit>', 'which digit is drawn', digit, 7)
    .option('--attack <name>', `attack the model with it: ${attacks.join(' or ')}`, oneOf(attacks))
    .option('--model <file>', 'model of 28 x 28 digits that is asked and attacked in place of the demo’s')
    .option('--detector <file>', 'its detector, which goes with --model')
    .option('--png <file>', 'write the digit as an image in place of the request')
    .action(run);
}

async function run({ label, attack, png, ...named }: DigitOptions): Promise<void> {
  const { model, artefact } = await demoGuarded(named);
  const { length } = drawDigit(label, 1);
  if (elementCount(artefact.model.input_shape) !== length) {
    throw new GuardError('invalid_config', `${named.model} does not read digits of ${length} pixels`);
  }
  const engine = await createOrtEngine({ workers: 1 });
  try {
    const { clean, attacked, strong } = await demoDigits(model, { artefact, engine, label });
    const { input_name: name, input_shape: inputShape } = artefact.model;
    const values = attack === undefined ? clean : attack === 'pgd' ? attacked : strong;
    if (png !== undefined) return writeWhole(png, pngOf(values, inputShape));
    const data = Array.from(values);
    const input = { name, shape: [1, ...inputShape], datatype: 'FP32', data };
    console.log(JSON.stringify({ inputs: [input] }));
  } finally {
    await engine.close();
  }
}

/** @param shape of the input: one channel, height, width; an image has 256 levels, so that attacks lose a little of their effect */
function pngOf(values: Float32Array, [channels, height, width]: readonly number[]): Uint8Array {
  const data = Uint8Array.from(values, (value) => Math.round(255 * value));
  return encode({ width, height, data, channels, depth: 8 });
}

function digit(text: string): number {
  if (!/^\d$/.test(text)) throw new InvalidArgumentError('not a digit from 0 to 9');
  return Number(text);
}
