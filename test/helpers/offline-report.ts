// What `dataset screen` would report of the same upload: the report of a job must be that, to the byte.
import { readFile } from 'node:fs/promises';
import { createOrtEngine } from '../../gpu-worker/engine/ort-engine.ts';
import { exampleExtractor } from '../../gpu-worker/screening/example-extractor.ts';
import { screenUpload } from '../../gpu-worker/screening/screen-upload.ts';
import type { UploadFormat } from '../../shared/contracts/screening-job.ts';
import { importNoiseKeyHex } from '../../shared/noise/noise-key.ts';
import { reportJson } from '../../shared/screening-report/report-json.ts';
import { lenetFile } from './command-line.ts';
import { screenedModel, screeningNoiseKeyHex } from './screening-edge.ts';
import { fileOf } from './upload-fixture.ts';

/** Screens an upload here, under the key and the model of the tests' gpu-worker. */
export async function offlineReport(
  files: Readonly<Record<string, Uint8Array>>,
  { dataset, format, seed }: { dataset: string; format: UploadFormat; seed: number },
): Promise<string> {
  const engine = await createOrtEngine({ workers: 1 });
  try {
    const extractor = await exampleExtractor(await readFile(lenetFile), {
      engine,
      name: screenedModel,
      mode: 'nccr',
      range: [0, 1],
      seed,
      noiseKey: await importNoiseKeyHex(screeningNoiseKeyHex),
    });
    const upload = Object.entries(files).map(([name, bytes]) => fileOf(name, bytes));
    const source = { name: dataset, format, files: upload, paths: [] };
    const { report } = await screenUpload({ source, extractor, seed });
    return reportJson(report);
  } finally {
    await engine.close();
  }
}
