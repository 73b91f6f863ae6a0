// `npm start`: upstream, gpu-worker and edge on this machine in one command, and requests that show what the guard does.
import { once } from 'node:events';
import { createServer } from 'node:net';
import { resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { DetectorArtefact } from '../../shared/contracts/detector-artefact.ts';
import { type GuardMode, guardModes } from '../../shared/contracts/verdict.ts';
import { asGuardError, GuardError } from '../../shared/errors.ts';
import { createOrtEngine } from '../engine/ort-engine.ts';
import { stopRequest } from '../stop-request.ts';
import { type DemoDigits, demoDigits, strongEpsilon, warmUpDigits } from './demo-digits.ts';
import { type DemoFolder, ensureCompiled, ensureScreening, openDemoFolder } from './demo-folder.ts';
import { type DemoGuarded, type DemoGuardedOptions, demoGuarded } from './demo-guarded.ts';
import { describeAnswer, type FrontDoor, sendInput, untilReady } from './demo-requests.ts';
import type { EdgeOptions } from './edge-runtime.ts';
import { type ServerChild, type ServerChildOptions, startServerChild } from './server-child.ts';

interface DemoOptions extends DemoGuardedOptions {
  readonly port: number;
  readonly gpuWorkerPort: number;
  readonly upstreamPort: number;
  readonly mode: GuardMode;
  readonly data: string;
  readonly once?: boolean;
}

const host = '127.0.0.1';
/** The limits that keys can name, as wrangler.toml has them. */
const rateLimits = JSON.stringify({
  small: { limit: 60, period: 60 },
  medium: { limit: 600, period: 60 },
  large: { limit: 6_000, period: 60 },
});
/** The first start of the detector Worker compiles its WebAssembly. */
const readyMs = 60_000;

const modeNote: Readonly<Record<GuardMode, string>> = {
  off: ': nothing is scored',
  shadow: ": every input is scored, none refused (the guard's own default)",
  enforce: ": an input over the threshold is refused (the demo's default; the guard's own is shadow)",
};

const children: ServerChild[] = [];
let stopping = false;

async function main(): Promise<number> {
  const options = parseOptions();
  const stopped = stopRequest().then((reason) => {
    console.log(`stopping: ${reason}`);
    return 0;
  });
  try {
    return await Promise.race([demo(options), stopped]);
  } catch (thrown) {
    const error = asGuardError(thrown);
    console.error(`npm start: ${error.message}`);
    if (error.code === 'internal') console.error(thrown);
    return 1;
  } finally {
    stopping = true;
    // The front door first, so that nothing comes in any more while the rest stops.
    for (const child of children.reverse()) await child.stop();
  }
}

function parseOptions(): DemoOptions {
  const command = new Command('npm start --')
    .description('Brings up the demo: a protected model, the gpu-worker and the edge in front of both.')
    .option('--port <port>', 'port of the edge', parsePort, 8787)
    .option('--gpu-worker-port <port>', 'port of the gpu-worker', parsePort, 8790)
    .option('--upstream-port <port>', 'port of the protected model', parsePort, 8791)
    .addOption(new Option('--mode <mode>', 'what the guard may do').choices(guardModes).default('enforce'))
    .option('--model <file>', 'guard this ONNX model in place of the demo’s; takes --detector')
    .option('--detector <file>', 'its detector, as `detector calibrate` wrote it')
    .option('--public-key <file>', 'public key that this detector is signed with; none by default')
    .option('--data <folder>', 'folder for secrets, compiled models, audit and artefacts', '.data')
    .option('--once', 'send the requests and stop; exit 0 only if the attacks alone were refused');
  return command.parse().opts<DemoOptions>();
}

function parsePort(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) throw new InvalidArgumentError('not a port');
  return Number(text);
}

/** Starts everything, sends the requests, and stays until the edge ends. */
async function demo(options: DemoOptions): Promise<number> {
  await refuseTakenPorts(options);
  const guarded = await demoGuarded(options);
  const { model, artefact, isDemo } = guarded;
  if (options.once && !isDemo) throw new GuardError('invalid_config', '--once sends the digits of the demo');
  const folder = await openDemoFolder(resolve(options.data));
  const engine = await createOrtEngine({ workers: 1 });
  if (await ensureCompiled(folder, { model, artefact, engine })) {
    console.log(`compiled ${artefact.model.name}`);
  }
  if (await ensureScreening(folder, { model, artefact, engine })) {
    console.log(`compiled ${artefact.model.name} for screening training data`);
  }
  const [digits, edge] = await Promise.all([
    isDemo ? demoDigits(model, { artefact, engine }) : undefined,
    startServers(options, { folder, guarded }),
  ]);
  await engine.close();
  await Promise.race([untilReady(edge, readyMs), childFailure(children)]);
  console.log(`ready, mode ${options.mode}${modeNote[options.mode]}`);
  if (digits !== undefined && (await sendDigits({ edge, artefact, digits, once: options.once }))) return 0;
  return staysUp();
}

/** Sends the demo's digits and says what came of them. @returns whether that was all that was asked for */
async function sendDigits({
  edge,
  artefact,
  digits,
  once,
}: {
  edge: URL;
  artefact: DetectorArtefact;
  digits: DemoDigits;
  once: boolean | undefined;
}): Promise<boolean> {
  const { name, input_name: inputName, input_shape: inputShape } = artefact.model;
  const door: FrontDoor = { edge, model: name, inputName, inputShape };
  // The first requests of a process also pay for its connections and compilers.
  for (const digit of warmUpDigits()) await sendInput(door, digit);
  const clean = await sendInput(door, digits.clean);
  const attacked = await sendInput(door, digits.attacked);
  const strong = await sendInput(door, digits.strong);
  console.log(describeAnswer(`clean digit ${digits.label}`, clean));
  console.log(describeAnswer(`under PGD, smallest eps ${digits.epsilon.toFixed(3)}`, attacked));
  console.log(describeAnswer(`under PGD, eps ${strongEpsilon}`, strong));
  console.log('each time is of one request, after warm-up requests that are not shown');
  if (!once) return false;
  if (clean.status === 200 && attacked.status === 403 && strong.status === 403) return true;
  throw new GuardError('conflict', 'not as expected: the clean digit answered, the attacks refused');
}

/** Stays until the front door ends. */
async function staysUp(): Promise<never> {
  console.log('Ctrl-C stops everything');
  const [upstream, gpuWorker, frontDoor] = children;
  // Without one of its neighbours the guard still answers, and what it answers is worth seeing.
  for (const { ended } of [upstream, gpuWorker]) {
    void ended.then((how) => {
      if (!stopping) console.error(`${how}: the guard goes on without it; start again to have it back`);
    });
  }
  return childFailure([frontDoor]);
}

/** Starts the three servers and answers the address of the front door. */
async function startServers(
  options: DemoOptions,
  { folder, guarded }: { folder: DemoFolder; guarded: DemoGuarded },
): Promise<URL> {
  const { name } = guarded.artefact.model;
  const artefactKey = `detectors/${name}.json`;
  // The page that attacks a digit asks this one; a model of one's own is served under its own name alone.
  const unguarded = guarded.isDemo ? [`${name}-unguarded`] : [];
  const upstream = startChild({
    name: 'upstream',
    url: new URL('./upstream.ts', import.meta.url),
    args: [
      '--port',
      String(options.upstreamPort),
      '--model',
      guarded.modelFile,
      ...[name, ...unguarded].flatMap((served) => ['--name', served]),
    ],
  });
  const gpuWorker = startChild({
    name: 'gpu-worker',
    url: new URL('../server.ts', import.meta.url),
    env: {
      GPU_WORKER_HOST: host,
      GPU_WORKER_PORT: String(options.gpuWorkerPort),
      GPU_WORKER_TOKEN: folder.token,
      GPU_WORKER_MODELS: folder.models,
    },
  });
  const [upstreamUrl, gpuWorkerUrl] = await Promise.all([upstream.ready, gpuWorker.ready]);
  console.log(`upstream    ${upstreamUrl.origin}`);
  console.log(`gpu-worker  ${gpuWorkerUrl.origin}`);
  const message: EdgeOptions = {
    host,
    port: options.port,
    persistDir: folder.edge,
    bindings: {
      GPU_WORKER_URL: gpuWorkerUrl.origin,
      UPSTREAM_URL: upstreamUrl.origin,
      GUARD_MODELS: JSON.stringify([
        { name, mode: options.mode, artefact: artefactKey },
        ...unguarded.map((bare) => ({ name: bare, mode: 'off' })),
      ]),
      AUTH: 'none',
      RATE_LIMITS: rateLimits,
      // Whoever shows nothing is one caller: the page that attacks a digit asks as often as its model answers.
      CALLER_LIMITS: '{"anonymous":"large"}',
      GPU_WORKER_TOKEN: folder.token,
      NOISE_KEY: folder.noiseKeyHex,
      ARTEFACT_PUBLIC_KEY: guarded.publicKey,
    },
    artefacts: [{ key: artefactKey, bytes: guarded.artefactBytes }],
  };
  const edge = startChild({ name: 'edge', url: new URL('./edge-process.ts', import.meta.url), message });
  const edgeUrl = await edge.ready;
  console.log(`edge        ${edgeUrl.origin}`);
  console.log(`dashboard   ${new URL('/dashboard', edgeUrl).href}`);
  return edgeUrl;
}

function startChild(options: ServerChildOptions): ServerChild {
  const child = startServerChild(options);
  children.push(child);
  return child;
}

/** Rejects as soon as one of the children has ended. */
async function childFailure(watched: readonly ServerChild[]): Promise<never> {
  const how = await Promise.race(watched.map(({ ended }) => ended));
  throw new GuardError('invalid_config', `${how}; the others are stopped`);
}

/** A port that something else holds is said by its name before anything starts. */
async function refuseTakenPorts(options: DemoOptions): Promise<void> {
  const wanted = [
    { server: 'edge', option: '--port', port: options.port },
    { server: 'gpu-worker', option: '--gpu-worker-port', port: options.gpuWorkerPort },
    { server: 'upstream', option: '--upstream-port', port: options.upstreamPort },
  ];
  const taken: string[] = [];
  for (const { server, option, port } of wanted) {
    const probe = createServer().listen(port, host);
    const free = await once(probe, 'listening').then(
      () => true,
      () => false,
    );
    if (!free) taken.push(`port ${port} of the ${server} is taken (${option} moves it)`);
    await new Promise((closed) => probe.close(closed));
  }
  if (taken.length > 0) throw new GuardError('invalid_config', taken.join('; '));
}

process.exit(await main());
