// Runs the command line as its user does: a process of its own, with its exit code and what it said.
import { execFile } from 'node:child_process';
import { join } from 'node:path';

/** How a command ended. */
export interface CommandRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const main = join(import.meta.dirname, '../../gpu-worker/cli/main.ts');

/** The demo's protected model. */
export const lenetFile = join(import.meta.dirname, '../../gpu-worker/demo/assets/mnist-lenet5.onnx');

/** Runs `nccr-guard` with these arguments. */
export function nccrGuard(...args: string[]): Promise<CommandRun> {
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}
