// Starts a server of the project as a real process and reads its JSON log lines.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** A line of the log. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly event?: unknown };

/** A running process. */
export interface ServerProcess {
  readonly child: ChildProcess;
  /** Everything that it wrote to either stream, line by line. */
  readonly lines: string[];
  /** Resolves with the first line of the log that tells this event; fails where the process ends or time runs out. */
  event(name: string, waitMs?: number): Promise<LogLine>;
  /** Exit code; fails where the process does not end in time. */
  exitCode(): Promise<number | null>;
}

const patienceMs = 30_000;

/** Starts a TypeScript file of the repository, named from its root. */
export function startProcess(
  file: string,
  { args = [], env = {}, ipc = false }: { args?: string[]; env?: Record<string, string>; ipc?: boolean } = {},
): ServerProcess {
  const path = fileURLToPath(new URL(`../../${file}`, import.meta.url));
  const inherited = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('GPU_WORKER_')),
  );
  const child = spawn(process.execPath, [path, ...args], {
    env: { ...inherited, ...env },
    stdio: ['ignore', 'pipe', 'pipe', ...(ipc ? (['ipc'] as const) : [])],
  });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    if (stream !== null) createInterface(stream).on('line', (line) => lines.push(line));
  }
  const exited = once(child, 'exit').then(([code]) => code as number | null);
  return {
    child,
    lines,
    async event(name, waitMs = patienceMs) {
      const deadline = Date.now() + waitMs;
      for (;;) {
        const found = lines.map(parseLine).find((line) => line.event === name);
        if (found !== undefined) return found;
        if (child.exitCode !== null || Date.now() > deadline) {
          throw new Error(`no ${name} in the output of ${file}:\n${lines.join('\n')}`);
        }
        await sleep(10);
      }
    },
    exitCode: () =>
      Promise.race([
        exited,
        sleep(patienceMs, undefined, { ref: false }).then(() => {
          throw new Error(`${file} did not end:\n${lines.join('\n')}`);
        }),
      ]),
  };
}

function parseLine(line: string): LogLine {
  try {
    return JSON.parse(line) as LogLine;
  } catch {
    return {};
  }
}
