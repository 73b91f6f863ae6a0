// A peer's Activation Clustering on the same examples and cores: PyTorch and scikit-learn, as a process of its own.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';

const answerSchema = z.strictObject({
  examples: z.number(),
  seconds: z.number(),
  activation_seconds: z.number(),
  /** Of all of its threads, over the same time as `seconds`. */
  cpu_seconds: z.number(),
  suspects: z.number(),
  versions: z.string(),
});

/** What the peer took. */
export type PeerScreening = z.infer<typeof answerSchema>;

/** What the peer screens, and how. */
export interface PeerScreeningOptions {
  /** An interpreter with torch, onnx and scikit-learn; Debian has all as packages. */
  readonly python: string;
  /** ONNX file of the model. */
  readonly model: string;
  /** Row-major [count, ...inputShape], 0 to 255; the model reads them over 255. */
  readonly pixels: Uint8Array;
  readonly inputShape: readonly number[];
  /** [count]. */
  readonly labels: Int32Array;
  readonly reduction?: 'ica' | 'pca';
  readonly rule?: 'smaller' | 'silhouette-scores';
  /** All cores by default. */
  readonly threads?: number;
}

/** Screens once; the time is from pixels in memory to suspects, without the start of Python and the loading of the model. */
export async function peerScreening({
  python,
  model,
  pixels,
  inputShape,
  labels,
  reduction = 'pca',
  rule = 'silhouette-scores',
  threads = availableParallelism(),
}: PeerScreeningOptions): Promise<PeerScreening> {
  const scratch = mkdtempSync(path.join(tmpdir(), 'nccr-peer-'));
  try {
    const [x, y] = ['x', 'y'].map((name) => path.join(scratch, name));
    writeFileSync(x, pixels);
    writeFileSync(y, labels);
    const script = path.join(import.meta.dirname, 'screening_torch.py');
    const options = [model, x, y, JSON.stringify(inputShape), reduction, rule, String(threads)];
    const { stdout } = await promisify(execFile)(python, [script, ...options]);
    return answerSchema.parse(JSON.parse(stdout));
  } finally {
    rmSync(scratch, { recursive: true });
  }
}
