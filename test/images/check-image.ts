// `npm run check:image`: replays the gpu-worker's CPU image in a folder, starts it there as its user on a root that cannot be
// written, and asks it. Needs root on Debian, `debootstrap` and the npm registry.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { compiledModel } from './compiled-model.ts';
import { readDockerfile } from './read-dockerfile.ts';
import { makeNodeBase, type ReplayedStage, replayStage } from './replay-stage.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const { values } = parseArgs({
  options: {
    folder: { type: 'string', default: path.join(root, '.data/images') },
    port: { type: 'string', default: '8798' },
  },
});
const folder = path.resolve(values.folder);
const url = `http://127.0.0.1:${values.port}`;
const token = 'a-token-for-the-check-of-the-image';

const stage = replay();
describeRoot(stage);
const models = path.join(folder, 'models');
const ask = await compiledModel(models);
await serveAndAsk(stage);

function replay(): ReplayedStage {
  mkdirSync(folder, { recursive: true });
  const debian = path.join(folder, 'debian');
  if (!existsSync(path.join(debian, 'usr/bin/env'))) {
    rmSync(debian, { recursive: true, force: true });
    execFileSync('debootstrap', ['--variant=minbase', 'bookworm', debian], { stdio: 'inherit' });
  }
  const npm = path.join(path.dirname(realpathSync(which('npm'))), '..');
  const stages = readDockerfile(readFileSync(path.join(root, 'gpu-worker/Dockerfile'), 'utf8'));
  return replayStage(stages, 'cpu', {
    context: path.resolve(root),
    folder,
    makeBase(image, target) {
      const version = /^node:([\d.]+)-bookworm-slim$/.exec(image)?.[1];
      if (`v${version}` !== process.version) throw new Error(`${image} is not Node ${process.version}`);
      makeNodeBase(target, { debian, node: process.execPath, npm });
    },
    log: console.log,
  });
}

function which(program: string): string {
  return execFileSync('sh', ['-c', `command -v ${program}`], { encoding: 'utf8' }).trim();
}

function describeRoot({ root: image, user }: ReplayedStage): void {
  const size = (place: string) => execFileSync('du', ['-sm', place], { encoding: 'utf8' }).split('\t')[0];
  const packages = readdirSync(path.join(image, 'app/node_modules')).length;
  console.log(
    `\nimage: ${size(image)} MB, of it /app ${size(path.join(image, 'app'))} MB, ${packages} folders of packages`,
  );
  const managers = ['apt', 'apt-get', 'dpkg', 'npm', 'npx', 'yarn', 'corepack', 'pip', 'curl', 'wget'];
  const found = managers.filter((name) =>
    ['bin', 'usr/bin', 'usr/sbin', 'usr/local/bin'].some((place) =>
      existsSync(path.join(image, place, name)),
    ),
  );
  if (found.length > 0) throw new Error(`left in the image: ${found.join(', ')}`);
  console.log(`none of ${managers.join(', ')} is in it; it runs as ${user}`);
}

/** Starts the image with a root that cannot be written, the models mounted, no capability and no way to gain one. */
async function serveAndAsk({
  root: image,
  workdir,
  user,
  variables,
  entrypoint,
  healthcheck,
}: ReplayedStage) {
  const [uid, gid] = user.split(':');
  const merged = path.join(folder, 'merged');
  for (const place of [merged, path.join(image, 'models')]) mkdirSync(place, { recursive: true });
  const mounts = [
    `mount --bind '${image}' '${merged}'`,
    `mount --bind '${models}' '${merged}/models'`,
    `mount -o remount,ro,bind '${merged}/models'`,
    `mount -t proc proc '${merged}/proc'`,
    `mount --rbind /dev '${merged}/dev'`,
    `mount -o remount,ro,bind '${merged}'`,
  ].join(' && ');
  const environment = Object.entries({
    PATH: '/usr/local/bin:/usr/bin:/bin',
    ...variables,
    GPU_WORKER_TOKEN: token,
    GPU_WORKER_PORT: values.port,
  }).map((pair) => pair.join('='));
  // The chroot needs a capability that everything inside it is without.
  const bounds = ['--no-new-privs', '--bounding-set=-all', '--inh-caps=-all', '--clear-groups'];
  const own = ['--mount', '--propagation', 'private', 'sh', '-c', `${mounts} && exec "$@"`, 'sh'];
  const limited = ['chroot', merged, '/usr/bin/setpriv', '--reuid', uid, '--regid', gid, ...bounds];
  const clean = ['/usr/bin/env', '-i', '-C', workdir, ...environment];
  const inside = (command: readonly string[]) => [...own, ...limited, ...clean, ...command];
  const startedAt = performance.now();
  const server = spawn('unshare', inside(entrypoint), { stdio: ['ignore', 'inherit', 'inherit'] });
  const ended = once(server, 'exit') as Promise<[number | null]>;
  try {
    await untilReady(ended);
    console.log(`ready after ${Math.round(performance.now() - startedAt)} ms`);
    await ask(url, token);
    const healthy = healthcheck.map((part) => part.replace(':8790', `:${values.port}`));
    execFileSync('unshare', inside(healthy), { stdio: 'inherit' });
    console.log('the health check of the image says healthy');
    const write = [
      'sh',
      '-c',
      'id; for place in /app/x /tmp/x /models/x; do touch $place 2>&1 && exit 1; done; exit 0',
    ];
    execFileSync('unshare', inside(write), { stdio: 'inherit' });
  } finally {
    server.kill('SIGTERM');
  }
  const [code] = await ended;
  if (code !== 0) throw new Error(`the server ended with ${code}`);
  console.log('SIGTERM: the server drained and ended with 0');
}

async function untilReady(ended: Promise<[number | null]>): Promise<void> {
  const over = ended.then(([code]) => {
    throw new Error(`the server ended with ${code}`);
  });
  over.catch(() => undefined);
  for (let tries = 0; tries < 300; tries++) {
    const ready = await fetch(`${url}/v2/health/ready`).catch(() => undefined);
    if (ready?.ok) return;
    await Promise.race([over, new Promise((resolve) => setTimeout(resolve, 100))]);
  }
  throw new Error('the server was not ready within 30 s');
}
