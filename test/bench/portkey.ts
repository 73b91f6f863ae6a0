// Portkey's gateway from the npm registry as a process beside: installed once into a folder that git does not see.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Contender } from './http-load.ts';

const version = '1.15.2';
const folder = fileURLToPath(new URL('../../.data/bench/portkey/', import.meta.url));
const entry = path.join(folder, 'node_modules/@portkey-ai/gateway/build/start-server.js');

/** A running gateway, and how to reach an upstream through it. */
export interface Portkey {
  contenderFor(upstream: URL, payload: string): Contender;
  stop(): Promise<void>;
}

/** Starts the gateway, and installs it before where it is not there: 25 MB, no scripts are run. */
export async function startPortkey(): Promise<Portkey> {
  if (!existsSync(entry)) await install();
  const port = await freePort();
  const child = spawn(process.execPath, [entry, '--headless', `--port=${port}`], { stdio: 'ignore' });
  const address = `http://127.0.0.1:${port}`;
  await untilAnswers(address, child);
  return {
    contenderFor(upstream, payload) {
      return {
        name: `Portkey ${version}`,
        url: `${address}/v1/chat/completions`,
        headers: {
          'content-type': 'application/json',
          authorization: 'Bearer none',
          'x-portkey-provider': 'openai',
          'x-portkey-custom-host': `${upstream.origin}/v1`,
        },
        // Its way for bodies that it does not know fails on its current dependencies, so the payload goes as a message.
        body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: payload }] }),
      };
    },
    async stop() {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}

async function install(): Promise<void> {
  await mkdir(folder, { recursive: true });
  const options = ['--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const child = spawn('npm', ['install', ...options, `@portkey-ai/gateway@${version}`], {
    cwd: folder,
    stdio: 'inherit',
  });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error('npm could not install @portkey-ai/gateway');
}

async function untilAnswers(address: string, child: ChildProcess): Promise<void> {
  for (let attempt = 0; attempt < 300; attempt++) {
    if (child.exitCode !== null) throw new Error(`the gateway ended with exit code ${child.exitCode}`);
    const answer = await fetch(address).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer?.ok) return;
    await sleep(100);
  }
  throw new Error('the gateway does not answer');
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}
