// `nccr-guard detector sign`: signs an artefact in place.
import { Command } from 'commander';
import { addSigningOptions, openArtefactSigner } from './artefact-signer.ts';
import { readArtefact } from './options.ts';
import { writeWhole } from './write-file.ts';

interface SignOptions {
  readonly signingKey: string;
  readonly publicKeyOut?: string;
  readonly json?: boolean;
}

/** Makes the command. */
export function detectorSignCommand(): Command {
  const command = new Command('sign')
    .description('sign a detector artefact in place; a former signature is replaced')
    .argument('<artefact.json>', 'the artefact that detector calibrate wrote')
    .option('--json', 'print the public key and its id as JSON');
  return addSigningOptions(command, { required: true }).action(run);
}

async function run(path: string, options: SignOptions): Promise<void> {
  const artefact = await readArtefact(path);
  const signer = await openArtefactSigner(options.signingKey, options.publicKeyOut);
  const signed = await signer.sign(artefact);
  await signer.keep();
  await writeWhole(path, `${JSON.stringify(signed, null, 1)}\n`);
  if (options.json) console.log(JSON.stringify({ out: path, ...signer.summary }));
  else console.log([...signer.lines, `wrote ${path}`].join('\n'));
}
