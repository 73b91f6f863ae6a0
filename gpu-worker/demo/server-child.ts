// A server of the demo as a child process: started, watched, and taken down with everything that it started.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { GuardError } from '../../shared/errors.ts';

/** Which server, and what it is told. */
export interface ServerChildOptions {
  readonly name: string;
  /** Module that the child runs. */
  readonly url: URL;
  readonly args?: readonly string[];
  /** The child's whole environment; the parent's where it is not given. */
  readonly env?: Readonly<Record<string, string>>;
  /** Sent over the channel as soon as the child is there. */
  readonly message?: object;
}

/** A child that serves, or will. */
export interface ServerChild {
  readonly pid: number;
  /** Address once it serves. @throws GuardError `invalid_config` with the child's own reason where it ends before. */
  readonly ready: Promise<URL>;
  /** Settles when the child has ended, with how it did. */
  readonly ended: Promise<string>;
  /** Asks the child to stop, and makes it where it does not. */
  stop(): Promise<void>;
}

/** Longest that a child may take to stop, in milliseconds. */
const stopMs = 12_000;

/**
 * Starts a child. It has a process group of its own, so that Ctrl-C reaches the parent alone and the parent decides the
 * order; the channel between them ends the child where the parent is killed.
 */
export function startServerChild(options: ServerChildOptions): ServerChild {
  const child = fork(options.url, options.args ?? [], {
    detached: true,
    serialization: 'advanced',
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    ...(options.env === undefined ? {} : { env: { ...options.env } }),
  });
  const ready = Promise.withResolvers<URL>();
  let reason: string | undefined;
  for (const stream of [child.stdout!, child.stderr!]) {
    createInterface(stream).on('line', (line) => {
      const entry = parseLine(line);
      if (entry?.event === 'server.ready') ready.resolve(new URL(String(entry.url)));
      else if (entry?.event === 'server.failed') reason = causeMessage(entry.cause);
      else if (entry?.level !== 'info' && entry?.level !== 'debug')
        console.error(`[${options.name}] ${line}`);
    });
  }
  // A child that is killed leaves what it started behind, such as the edge its workerd.
  child.once('exit', () => killGroup(child));
  const ended = once(child, 'close').then(([code, signal]) => {
    const how = `${options.name} ended ${signal === null ? `with exit code ${code}` : `by ${signal}`}`;
    ready.reject(new GuardError('invalid_config', `${options.name}: ${reason ?? how}`));
    return how;
  });
  // Whoever waits for it sees the rejection; a demo that is stopped while it starts has nobody who waits.
  ready.promise.catch(() => undefined);
  if (options.message !== undefined) child.send(options.message);
  return { pid: child.pid!, ready: ready.promise, ended, stop: () => stop(child, ended) };
}

async function stop(child: ChildProcess, ended: Promise<string>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const force = setTimeout(() => killGroup(child), stopMs);
  child.kill('SIGTERM');
  await ended;
  clearTimeout(force);
}

/** Kills the child's process group, what the child started included; an empty group is none any more. */
function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ESRCH') throw cause;
  }
}

function parseLine(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const entry: unknown = JSON.parse(line);
    return typeof entry === 'object' && entry !== null ? (entry as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function causeMessage(cause: unknown): string | undefined {
  const message =
    typeof cause === 'object' && cause !== null && 'message' in cause ? cause.message : undefined;
  return typeof message === 'string' ? message : undefined;
}
