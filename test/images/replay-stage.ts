// Does in a folder what a stage of a Dockerfile does in a container: there is no Docker engine where this is developed.
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import path from 'node:path';
import type { Stage, Step } from './read-dockerfile.ts';
import { readIgnored } from './read-ignored.ts';

/** A stage that was done. */
export interface ReplayedStage {
  /** The folder that stands for its file system. */
  readonly root: string;
  readonly workdir: string;
  readonly user: string;
  readonly variables: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
  readonly healthcheck: readonly string[];
}

/** Where a replay takes its parts from. */
export interface ReplayOptions {
  /** The build's context. */
  readonly context: string;
  /** Folder for the stages' roots. */
  readonly folder: string;
  /** Makes the file system of a base image in a folder that is not there yet. */
  readonly makeBase: (image: string, root: string) => void;
  /** Build contexts of their own, by name. */
  readonly contexts?: Readonly<Record<string, string>>;
  readonly log: (line: string) => void;
}

const searchPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Replays a stage after those that it is built on or copies from. */
export function replayStage(stages: readonly Stage[], name: string, options: ReplayOptions): ReplayedStage {
  const done = new Map<string, ReplayedStage>();
  const replay = (wanted: string): ReplayedStage => {
    const known = done.get(wanted);
    if (known !== undefined) return known;
    const stage = stages.find((one) => one.name === wanted);
    if (stage === undefined) throw new Error(`there is no stage ${wanted}`);
    const made = runStage(stage, { options, stages, replay });
    done.set(wanted, made);
    return made;
  };
  return replay(name);
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

function runStage(
  stage: Stage,
  {
    options,
    stages,
    replay,
  }: { options: ReplayOptions; stages: readonly Stage[]; replay: (name: string) => ReplayedStage },
): ReplayedStage {
  const root = path.join(options.folder, stage.name);
  rmSync(root, { recursive: true, force: true });
  const isStage = (name: string) => stages.some((one) => one.name === name);
  const state: Mutable<ReplayedStage> = isStage(stage.base)
    ? { ...replay(stage.base), root }
    : { root, workdir: '/', user: '0:0', variables: {}, entrypoint: [], healthcheck: [] };
  options.log(`stage ${stage.name}, from ${stage.base}`);
  if (isStage(stage.base)) copyTree(replay(stage.base).root, root);
  else options.makeBase(stage.base, root);
  const sourceRoot = (from: string | undefined) => {
    if (from === undefined) return undefined;
    return options.contexts?.[from] ?? replay(from).root;
  };
  for (const step of stage.steps) runStep(step, { state, options, sourceRoot });
  return state;
}

function runStep(
  step: Step,
  {
    state,
    options,
    sourceRoot,
  }: {
    state: Mutable<ReplayedStage>;
    options: ReplayOptions;
    sourceRoot: (from: string | undefined) => string | undefined;
  },
): void {
  switch (step.kind) {
    case 'run':
      options.log(`  RUN ${step.command}`);
      runInRoot(state, step.command);
      break;
    case 'copy': {
      options.log(`  COPY ${step.sources.join(' ')} -> ${step.target}`);
      copyInto(step, { state, context: options.context, from: sourceRoot(step.from) });
      break;
    }
    case 'workdir':
      state.workdir = path.posix.resolve(state.workdir, step.path);
      mkdirSync(path.join(state.root, state.workdir), { recursive: true });
      break;
    case 'env':
      state.variables = { ...state.variables, ...step.variables };
      break;
    case 'user':
      state.user = step.user;
      break;
    case 'entrypoint':
    case 'healthcheck':
      state[step.kind] = step.command;
      break;
    case 'expose':
    case 'stopsignal':
      break;
  }
}

/** A shell in the root with its own mounts, which end with it. */
function runInRoot({ root, workdir, variables }: ReplayedStage, command: string): void {
  const mounts = `mount -t proc proc '${root}/proc' && mount --rbind /dev '${root}/dev'`;
  const resolver = path.join(root, 'etc/resolv.conf');
  rmSync(resolver, { force: true });
  cpSync('/etc/resolv.conf', resolver, { dereference: true });
  // A network whose proxy shows certificates of its own: the file is there for the time of the command.
  const ownCertificates = process.env.NODE_EXTRA_CA_CERTS;
  const trusted = '/run/certificates.pem';
  if (ownCertificates !== undefined) cpSync(ownCertificates, path.join(root, trusted), { dereference: true });
  const trust = ownCertificates === undefined ? {} : { NODE_EXTRA_CA_CERTS: trusted };
  const environment = Object.entries({ PATH: searchPath, HOME: '/root', ...trust, ...variables }).map(
    (pair) => pair.join('='),
  );
  const inside = [
    'chroot',
    root,
    '/usr/bin/env',
    '-i',
    ...environment,
    '/bin/sh',
    '-c',
    `cd ${workdir} && ${command}`,
  ];
  const own = ['--mount', '--propagation', 'private', 'sh', '-c', `${mounts} && exec "$@"`, 'sh'];
  try {
    execFileSync('unshare', [...own, ...inside], { stdio: ['ignore', 'inherit', 'inherit'] });
  } finally {
    for (const lent of ['etc/resolv.conf', trusted]) rmSync(path.join(root, lent), { force: true });
  }
}

function copyInto(
  { sources, target }: Extract<Step, { kind: 'copy' }>,
  { state, context, from }: { state: ReplayedStage; context: string; from: string | undefined },
): void {
  const isIgnored = readIgnored(readFileSync(path.join(context, '.dockerignore'), 'utf8'));
  const destination = path.join(state.root, path.posix.resolve(state.workdir, target));
  for (const source of sources) {
    const base = from ?? context;
    const origin = path.join(base, source);
    const isFolder = statSync(origin).isDirectory();
    // As Docker does: of a folder its contents are copied, and a file goes into a folder where the target is written as one.
    const place =
      isFolder || !/(?:^|\/)(?:\.?)$/.test(target)
        ? destination
        : path.join(destination, path.basename(source));
    mkdirSync(path.dirname(place), { recursive: true });
    if (from !== undefined) copyTree(origin, place);
    else copyContext(origin, place, (file) => isIgnored(path.relative(context, file)));
  }
}

/** Copies what the build's context has of a file or folder. */
function copyContext(source: string, target: string, isIgnored: (file: string) => boolean): void {
  if (!statSync(source).isDirectory()) {
    copyFileSync(source, target);
    return;
  }
  mkdirSync(target, { recursive: true });
  for (const entry of readdirSync(source)) {
    const file = path.join(source, entry);
    if (!isIgnored(file)) copyContext(file, path.join(target, entry), isIgnored);
  }
}

/** Copies files with their modes, links and owners. */
function copyTree(source: string, target: string): void {
  const isFolder = statSync(source).isDirectory();
  if (isFolder) mkdirSync(target, { recursive: true });
  execFileSync('cp', ['--archive', '--no-target-directory', source, target]);
}

/** Makes what stands for the image `node:…-bookworm-slim`: Debian's minimal root with Node and npm of this machine. */
export function makeNodeBase(root: string, parts: { debian: string; node: string; npm: string }): void {
  copyTree(parts.debian, root);
  const local = path.join(root, 'usr/local');
  cpSync(parts.node, path.join(local, 'bin/node'), { dereference: true });
  copyTree(parts.npm, path.join(local, 'lib/node_modules/npm'));
  for (const name of ['npm', 'npx']) {
    const link = path.join(local, 'bin', name);
    if (!existsSync(link)) symlinkSync(`../lib/node_modules/npm/bin/${name}-cli.js`, link);
  }
}
