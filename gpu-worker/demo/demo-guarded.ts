// What `npm start` guards: the demo's own model, or the model and detector that its options name.
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DetectorArtefact } from '../../shared/contracts/detector-artefact.ts';
import { GuardError } from '../../shared/errors.ts';
import { requireModelOf } from '../cli/detector-work.ts';
import { readArtefact } from '../cli/options.ts';
import { readInput } from '../cli/read-file.ts';

/** A model with its detector, and the key that the detector is signed with. */
export interface DemoGuarded {
  /** Path of the model's file. */
  readonly modelFile: string;
  readonly model: Uint8Array;
  readonly artefact: DetectorArtefact;
  /** The detector's file as it is. */
  readonly artefactBytes: Uint8Array;
  /** Ed25519 public key in base64, or `none`: then no signature is looked at. */
  readonly publicKey: string;
  /** Whether it is the demo's own, which has digits to send. */
  readonly isDemo: boolean;
}

/** How a model of one's own is named. */
export interface DemoGuardedOptions {
  readonly model?: string;
  readonly detector?: string;
  readonly publicKey?: string;
}

const asset = (name: string) => fileURLToPath(new URL(`./assets/${name}`, import.meta.url));

/**
 * Reads what is to be guarded.
 * @throws GuardError `invalid_config` where options lack their partner; `invalid_artefact` where the detector is of another model
 */
export async function demoGuarded(options: DemoGuardedOptions): Promise<DemoGuarded> {
  const { model, detector, publicKey } = options;
  const isDemo = model === undefined;
  if (isDemo !== (detector === undefined) || (isDemo && publicKey !== undefined)) {
    throw new GuardError('invalid_config', 'a model of your own takes --model and --detector together');
  }
  const modelFile = resolve(model ?? asset('mnist-lenet5.onnx'));
  const artefactFile = detector ?? asset('mnist-lenet5.detector.json');
  const keyFile = isDemo ? asset('artefact-public-key.txt') : publicKey;
  const bytes = await readInput(modelFile);
  const artefact = await readArtefact(artefactFile);
  await requireModelOf(artefact, bytes, { detector: artefactFile, model: modelFile });
  if (artefact.sequential !== undefined) {
    const detail = `${artefactFile} has a sequential test, whose graphs are not compiled here: deploy it, or calibrate one without`;
    throw new GuardError('invalid_config', detail);
  }
  return {
    modelFile,
    model: bytes,
    artefact,
    artefactBytes: await readFile(artefactFile),
    publicKey: keyFile === undefined ? 'none' : (await readInput(keyFile)).toString('utf8').trim(),
    isDemo,
  };
}
