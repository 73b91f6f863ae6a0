// `nccr-guard detector verify`: whether an artefact is signed with a key, and for which model.
import { Command } from 'commander';
import {
  importArtefactPublicKey,
  type StoredArtefact,
  verifyArtefact,
} from '../../shared/detector/artefact-signature.ts';
import { parseJson } from '../../shared/oip/parse-json.ts';
import { readArtefact } from './options.ts';
import { readInput } from './read-file.ts';

interface VerifyOptions {
  readonly publicKey: string;
  readonly json?: boolean;
}

/** Makes the command. */
export function detectorVerifyCommand(): Command {
  return new Command('verify')
    .description('check the signature of a detector artefact')
    .argument('<artefact.json>', 'the artefact')
    .requiredOption('--public-key <base64>', 'the key that is trusted, 32 bytes in base64')
    .option('--json', 'print the result as JSON')
    .action(run);
}

async function run(path: string, options: VerifyOptions): Promise<void> {
  const trusted = await importArtefactPublicKey(options.publicKey);
  const { model } = await readArtefact(path);
  await verifyArtefact(parseJson(await readInput(path)) as StoredArtefact, trusted);
  if (options.json) console.log(JSON.stringify({ key_id: trusted.id, model }));
  else {
    console.log(`${path} is as it was signed with the key ${trusted.id}`);
    console.log(`for the model ${model.name}, ${model.digest}`);
  }
}
