// `nccr-guard model export-triton`: a compiled graph as a model repository of Triton, and KServe's manifest of it.
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { batchRowsMax } from '../../shared/limits.ts';
import { readCompiledModel } from '../extraction/compile-model.ts';
import { withIdentityOutput } from '../triton/identity-output.ts';
import { inferenceService } from '../triton/inference-service.ts';
import {
  type InstanceKind,
  instanceKinds,
  tritonModelConfig,
  tritonVersion,
} from '../triton/model-config.ts';
import { positiveInteger } from './options.ts';
import { readInput } from './read-file.ts';
import { writeWhole } from './write-file.ts';

interface ExportOptions {
  readonly out: string;
  readonly kind: InstanceKind;
  readonly instances: number;
  readonly batchRows: number;
  readonly queueDelayUs: number;
  readonly queueMax: number;
  readonly deadlineMs: number;
  readonly storageUri: string;
  readonly json?: boolean;
}

/** Makes the command. */
export function modelExportTritonCommand(): Command {
  return new Command('export-triton')
    .description(
      'write a compiled graph as a model repository of NVIDIA Triton, with a KServe InferenceService',
    )
    .argument('<compiled.onnx>', 'what `model compile` wrote')
    .requiredOption('--out <folder>', 'where the repository goes; the manifest lies beside its models')
    .addOption(new Option('--kind <kind>', 'where instances run').choices(instanceKinds).default('gpu'))
    .option('--instances <n>', 'instances on each GPU, or on the CPU', positiveInteger, 1)
    .option('--batch-rows <n>', 'most rows that are run together', positiveInteger, batchRowsMax)
    .option('--queue-delay-us <n>', 'how long a request waits for others', positiveInteger, 2_000)
    .option('--queue-max <n>', 'requests that may wait', positiveInteger, 256)
    .option('--deadline-ms <n>', 'longest wait in the queue', positiveInteger, 5_000)
    .option('--storage-uri <uri>', 'where the cluster finds the repository', 'pvc://nccr-guard-models/triton')
    .option('--json', 'print the result as JSON')
    .action(run);
}

async function run(path: string, options: ExportOptions): Promise<void> {
  const file = await readInput(path);
  const compiled = readCompiledModel(file);
  const { name } = compiled.model;
  const { bytes, outputName } = await withIdentityOutput(file);
  const config = tritonModelConfig(compiled, outputName, { ...options, batchRowsMax: options.batchRows });
  const manifest = inferenceService({ model: name, storageUri: options.storageUri, kind: options.kind });
  const files = {
    model: join(options.out, name, String(tritonVersion), 'model.onnx'),
    config: join(options.out, name, 'config.pbtxt'),
    manifest: join(options.out, `${name}.inference-service.yaml`),
  };
  await writeWhole(files.model, bytes);
  await writeWhole(files.config, config);
  await writeWhole(files.manifest, manifest);
  if (options.json) console.log(JSON.stringify({ ...files, identity_output: outputName }));
  else {
    console.log(`wrote ${files.model}, ${bytes.length} bytes, as secret as the noise key`);
    console.log(`wrote ${files.config} and ${files.manifest}`);
  }
}
