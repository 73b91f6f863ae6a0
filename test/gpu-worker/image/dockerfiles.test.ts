// The Dockerfiles: what a linter says of them, and the rules that every image of ours keeps.
import { readFileSync } from 'node:fs';
import { validate } from 'dockerfile-utils';
import { describe, expect, it } from 'vitest';
import { readDockerfile, type Stage, type Step } from '../../images/read-dockerfile.ts';
import { readIgnored } from '../../images/read-ignored.ts';

const read = (file: string) => readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8');
const dockerfiles = ['gpu-worker/Dockerfile', 'gpu-worker/tfjs/Dockerfile'];

/** Stages that are built to be run: the last one, and those that a command of the file's head names. */
const targets = [
  { file: 'gpu-worker/Dockerfile', target: 'cpu' },
  { file: 'gpu-worker/Dockerfile', target: 'cuda' },
  { file: 'gpu-worker/Dockerfile', target: 'container' },
  { file: 'gpu-worker/tfjs/Dockerfile', target: 'tfjs' },
];

/** The steps of a stage after those of the stages that it is built on. */
function stepsOf(stages: readonly Stage[], name: string): readonly Step[] {
  const stage = stages.find((one) => one.name === name);
  return stage === undefined ? [] : [...stepsOf(stages, stage.base), ...stage.steps];
}

describe.each(dockerfiles)('%s', (file) => {
  const text = read(file);
  const stages = readDockerfile(text);

  it('is what Docker can build', () => {
    expect(validate(text)).toEqual([]);
  });

  it('starts from images whose tags name a whole version, of Node the one that runs here or that TensorFlow.js needs', () => {
    const names = stages.map(({ name }) => name);
    const images = stages.map(({ base }) => base).filter((base) => !names.includes(base));
    expect(images.length).toBeGreaterThan(1);
    for (const image of images) expect(image).toMatch(/^[\w./-]+:\d+\.\d+\.\d+-[\w.-]+$/);
    const node = images.filter((image) => image.startsWith('node:'));
    const { devDependencies } = JSON.parse(read('package.json')) as { devDependencies: { node: string } };
    const version = file.includes('tfjs') ? '22.18.0' : devDependencies.node;
    for (const image of node) expect(image).toContain(`node:${version}-`);
  });

  it('takes nothing from the network but by package managers with pinned versions', () => {
    const commands = stages.flatMap(({ steps }) =>
      steps.flatMap((step) => (step.kind === 'run' ? step.command : [])),
    );
    expect(text).not.toMatch(/^\s*ADD\s/m);
    for (const command of commands)
      expect(command).not.toMatch(/curl|wget|git clone|@latest|apt-get|\|\s*(ba)?sh/);
  });
});

describe.each(targets)('the image $target of $file', ({ file, target }) => {
  const steps = stepsOf(readDockerfile(read(file)), target);
  const last = <Kind extends Step['kind']>(kind: Kind) =>
    steps.findLast((step): step is Extract<Step, { kind: Kind }> => step.kind === kind);

  it('runs as a user without a name or privileges, by its number, and starts the server without a shell', () => {
    expect(last('user')?.user).toBe('10001:10001');
    expect(last('entrypoint')?.command).toEqual(['node', 'gpu-worker/server.ts']);
    expect(last('stopsignal')?.value).toBe('SIGTERM');
  });

  it('asks the server itself whether it is healthy, with nothing but Node', () => {
    const [program, ...rest] = last('healthcheck')?.command ?? [];
    expect(program).toBe('node');
    expect(rest.join(' ')).toContain(`127.0.0.1:${last('expose')?.value}/v2/health/ready`);
    expect(last('env')?.variables.GPU_WORKER_PORT).toBe(last('expose')?.value);
  });

  it('has no package manager left, and no secret among its variables', () => {
    const user = steps.findIndex((step) => step.kind === 'user');
    const before = steps.slice(0, user).flatMap((step) => (step.kind === 'run' ? step.command : []));
    expect(before.join(' ')).toMatch(/rm -rf .*\/usr\/bin\/apt\* \/usr\/bin\/dpkg\*/);
    const variables = steps.flatMap((step) => (step.kind === 'env' ? Object.keys(step.variables) : []));
    expect(variables.filter((name) => /TOKEN|KEY|SECRET|PASSWORD/.test(name))).toEqual([]);
  });
});

describe('.dockerignore', () => {
  const isIgnored = readIgnored(read('.dockerignore'));

  it.each([
    '.git/config',
    '.data/noise.key',
    '.env',
    'edge/worker.ts',
    'gpu-worker/demo/assets/mnist-lenet5.onnx',
    'gpu-worker/noise.key',
    'shared/a/detector.pem',
    'node_modules/zod/index.js',
  ])('keeps %s out', (path) => {
    expect(isIgnored(path)).toBe(true);
  });

  it.each([
    'package.json',
    '.npmrc',
    'gpu-worker/server.ts',
    'gpu-worker/tfjs/package.json',
    'shared/oip/read-message.ts',
  ])('lets %s in', (path) => {
    expect(isIgnored(path)).toBe(false);
  });
});
