// A folder of adversarial examples: what an attack found once is read the next time, so that a killed run goes on.
import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { GuardError } from '../../shared/errors.ts';
import { elementCount, float32Tensor, type Tensor } from '../../shared/maths/tensor.ts';
import type { AttackExamples, AttackInputs } from '../attacks/attack.ts';
import type { AttackName, NamedAttackOptions } from '../attacks/attack-by-name.ts';
import type { AttackTarget } from '../attacks/attack-target.ts';
import { attackRevisions, type RunAttack, runAttack } from '../attacks/run-attack.ts';
import { readNpz, writeNpz } from '../datasets/npz.ts';
import { writeWhole } from './write-file.ts';

/** Adds the option that names the folder. */
export function addExamplesOption(command: Command): Command {
  return command.option(
    '--examples <folder>',
    'keep what attacks find there and read it the next time, so that a killed run goes on',
  );
}

/** Where examples are kept, and of which model. */
export interface KeptExamplesOptions {
  readonly folder: string;
  /** Digest of the protected model's file. */
  readonly modelDigest: string;
  /** What runs the model: another runtime rounds otherwise, and the smallest examples lie on the boundary. */
  readonly runtime: string;
  /** Makes examples that are not there. */
  readonly run?: RunAttack;
  /** Told of a file that cannot be read and is made again. */
  readonly onDamaged?: (detail: string) => void;
}

/**
 * Runs attacks by way of a folder: each run is an `.npz` file (`inputs`, `success`, `epsilon`, `l2`) under the attack's
 * name and a digest of everything that its examples follow from. A file whose content is not what was written is made
 * again: examples can always be made, and a long run should not end over one of them.
 * @throws GuardError `invalid_config` where the folder cannot be made
 */
export async function keptExamples(options: KeptExamplesOptions): Promise<RunAttack> {
  const { folder, run = runAttack, onDamaged = () => {} } = options;
  try {
    await mkdir(folder, { recursive: true });
  } catch (cause) {
    throw new GuardError('invalid_config', `${folder} cannot be a folder of examples: ${String(cause)}`, {
      cause,
    });
  }
  return async (attack, target, attacked, attackOptions) => {
    const { onProgress, ...settings } = attackOptions;
    const key = examplesKey(options, { attack, target, attacked, settings });
    const path = join(folder, `${attack}-${key.slice(0, 24)}.npz`);
    const bytes = await readIfThere(path);
    if (bytes !== undefined) {
      try {
        const kept = readExamples(bytes, { path, key, rowShape: target.inputShape });
        onProgress?.(1);
        return kept;
      } catch (cause) {
        if (!(cause instanceof GuardError)) throw cause;
        onDamaged(`${cause.message}; it is made again`);
      }
    }
    const examples = await run(attack, target, attacked, attackOptions);
    await writeWhole(path, writeExamples(examples, { key, rowShape: target.inputShape }));
    return examples;
  };
}

/** Digest of everything that the examples of a run follow from, in hexadecimal. */
function examplesKey(
  { modelDigest, runtime }: KeptExamplesOptions,
  {
    attack,
    target,
    attacked,
    settings: { epsilon, seed, ...more },
  }: {
    attack: AttackName;
    target: AttackTarget;
    attacked: AttackInputs;
    settings: Omit<NamedAttackOptions, 'onProgress'>;
  },
): string {
  const { inputShape, classes, range } = target;
  const settings = { attack, revision: attackRevisions[attack], epsilon, seed, ...more };
  const hash = createHash('sha256');
  hash.update(JSON.stringify({ modelDigest, runtime, inputShape, classes, range, ...settings }));
  hash.update(bytesOf(attacked.inputs));
  hash.update(bytesOf(Int32Array.from(attacked.labels)));
  return hash.digest('hex');
}

/** What a file of examples belongs to. */
interface ExamplesPlace {
  readonly key: string;
  readonly rowShape: readonly number[];
}

function writeExamples(examples: AttackExamples, { key, rowShape }: ExamplesPlace): Uint8Array<ArrayBuffer> {
  const { inputs, success, epsilon, l2 } = examples;
  const rows = success.length;
  return writeNpz({
    inputs: float32Tensor(inputs, [rows, ...rowShape]),
    success: { datatype: 'UINT8', shape: [rows], data: success },
    epsilon: float32Tensor(epsilon, [rows]),
    l2: float32Tensor(l2, [rows]),
    digest: { datatype: 'UINT8', shape: [32], data: contentDigest(key, examples) },
  });
}

/** @throws GuardError `invalid_dataset` where the file is not what `writeExamples` wrote for this key */
function readExamples(
  bytes: Uint8Array,
  { path, key, rowShape }: ExamplesPlace & { path: string },
): AttackExamples {
  const read = readNpz(bytes, { name: path, arrays: ['inputs', 'success', 'epsilon', 'l2', 'digest'] });
  const { inputs, success, epsilon, l2, digest } = read;
  const damaged = () => new GuardError('invalid_dataset', `${path} is damaged or of another run`);
  if (!isOf(inputs, Float32Array) || !isOf(epsilon, Float32Array) || !isOf(l2, Float32Array)) throw damaged();
  if (!isOf(success, Uint8Array) || !isOf(digest, Uint8Array)) throw damaged();
  const examples = { inputs: inputs.data, success: success.data, epsilon: epsilon.data, l2: l2.data };
  const rows = success.data.length;
  if (inputs.data.length !== rows * elementCount(rowShape)) throw damaged();
  if (Buffer.compare(contentDigest(key, examples), digest.data) !== 0) throw damaged();
  return examples;
}

/** Digest over the key and every array: the zip's own checksums are not verified where it is read. */
function contentDigest(key: string, { inputs, success, epsilon, l2 }: AttackExamples): Uint8Array {
  const hash = createHash('sha256').update(key);
  for (const array of [inputs, success, epsilon, l2]) hash.update(bytesOf(array));
  return new Uint8Array(hash.digest());
}

function isOf<T extends Float32Array | Uint8Array>(
  tensor: Tensor | undefined,
  kind: abstract new (...values: never[]) => T,
): tensor is Tensor & { readonly data: T } {
  return tensor?.data instanceof kind;
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new GuardError('not_found', `${path} cannot be read: ${String(cause)}`, { cause });
  }
}
