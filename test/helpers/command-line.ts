// Runs the command line: in this process for most tests, or as its user does, as a process of its own.
import { AsyncLocalStorage } from 'node:async_hooks';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { format } from 'node:util';

/** How a command ended. */
export interface CommandRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

type Stream = 'stdout' | 'stderr';

const mainFile = join(import.meta.dirname, '../../gpu-worker/cli/main.ts');

/** The demo's protected model. */
export const lenetFile = join(import.meta.dirname, '../../gpu-worker/demo/assets/mnist-lenet5.onnx');

/** Runs `nccr-guard` with these arguments as a process. */
export function nccrGuardProcess(...args: string[]): Promise<CommandRun> {
  return new Promise((resolve) => {
    execFile(process.execPath, [mainFile, ...args], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

const said = new AsyncLocalStorage<Record<Stream, string>>();

/**
 * Runs the function that the process would: a process of its own takes a second to load the same modules again. What it
 * says is kept apart from what other commands say meanwhile.
 */
export async function nccrGuard(...args: string[]): Promise<CommandRun> {
  // Loaded here, for many a test wants the model's file alone.
  const { main } = await import('../../gpu-worker/cli/main.ts');
  const streams = { stdout: '', stderr: '' };
  const release = listen();
  try {
    const code = await said.run(streams, () => main(args));
    return { code, ...streams };
  } finally {
    release();
  }
}

let listeners = 0;
let restore = () => {};

/** Turns what is said within a command to where it is kept, until the last one that listens is done. */
function listen(): () => void {
  if (listeners++ === 0) {
    const undo = [
      heard(console, 'log', 'stdout', (...words) => `${format(...words)}\n`),
      heard(console, 'error', 'stderr', (...words) => `${format(...words)}\n`),
      heard(process.stdout, 'write', 'stdout', String),
      heard(process.stderr, 'write', 'stderr', String),
    ];
    restore = () => {
      for (const each of undo) each();
    };
  }
  return () => {
    if (--listeners === 0) restore();
  };
}

/** Replaces a method that says something; outside of a command it does what it did. */
function heard<Name extends string>(
  owner: Record<Name, unknown>,
  name: Name,
  stream: Stream,
  text: (...words: unknown[]) => string,
): () => void {
  const before = owner[name] as (...words: unknown[]) => unknown;
  owner[name] = (...words: unknown[]) => {
    const kept = said.getStore();
    if (kept === undefined) return before.apply(owner, words);
    kept[stream] += text(...words);
    return true;
  };
  return () => {
    owner[name] = before;
  };
}
