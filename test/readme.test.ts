// Runs the commands of the README as they are printed there, against `npm start` as it is printed there.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { routeScopes } from '../edge/access/route-scopes.ts';

const root = join(import.meta.dirname, '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const commands = [...readme.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block]) =>
  block.trim().split('\n'),
);
const run = promisify(execFile);
const routesPage = readFileSync(join(root, 'docs/routes.md'), 'utf8');
const routesScript = [...routesPage.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block]) => block).join('');

/** curl that fails where the server refuses, but for the routes that the demo's model does not have: they must be 404. */
const strictCurl = `set -eo pipefail
curl() {
  local word
  for word in "$@"; do
    case "$word" in
      */drift) ;;
      */v2/models/*/versions/* | */v1/models/*)
        [ "$(command curl -sS -o /dev/null -w '%{http_code}' "$@")" = 404 ]
        return ;;
    esac
  done
  command curl -sS --fail-with-body "$@"
}
`;

/** What a curl line must bring. */
const expected: readonly [part: string, answer: RegExp][] = [
  ['infer', /^HTTP\/1.1 (200|403)/],
  ['verdicts?model', /"verdict":"block"/],
  ['health/ready', /^HTTP\/1.1 200/],
  ['openapi.json', /"openapi":"3.1/],
  ['/metrics', /^guard_requests_total/m],
  ['/v2/models/mnist-lenet5', /"datatype":"FP32"/],
  ['/v2', /"extensions"/],
];

describe('the README', () => {
  let guard: ChildProcess;
  let output = '';

  beforeAll(async () => {
    guard = spawn('npm', ['start'], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    guard.stdout!.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    guard.stderr!.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    const gone = once(guard, 'exit').then(() => {
      throw new Error(`npm start ended:\n${output}`);
    });
    await Promise.race([gone, untilReady()]);
    gone.catch(() => {});
  }, 180_000);

  afterAll(async () => {
    if (guard.exitCode !== null) return;
    const ended = once(guard, 'exit');
    guard.kill('SIGTERM');
    await ended;
  }, 180_000);

  it('starts with the two commands', () => {
    expect(commands.slice(0, 2)).toEqual(['npm start', 'npm test']);
  });

  for (const command of commands.slice(2)) {
    it(`works as printed: ${command}`, async () => {
      const { stdout } = await run('bash', ['-c', command], {
        cwd: root,
        timeout: 120_000,
        maxBuffer: 1 << 26,
      });
      if (!command.startsWith('curl')) return;
      const answer = expected.find(([part]) => command.includes(part))![1];
      expect(stdout).toMatch(answer);
      if (command.includes('infer')) expect(stdout).toMatch(command.includes('attacked') ? / 403 / : / 200 /);
    }, 150_000);
  }

  it('links a page of every route, whose lines all work as printed', async () => {
    expect(readme).toContain('(docs/routes.md)');
    const { stdout } = await run('bash', ['-c', `${strictCurl}${routesScript}`], {
      cwd: root,
      timeout: 240_000,
      maxBuffer: 1 << 28,
    });
    expect(stdout).toContain('"type_uid"');
  }, 250_000);

  it.each(Object.keys(routeScopes).filter((route) => !route.includes('/dashboard/')))(
    'has a line for %s on that page',
    (route) => {
      const [, path] = route.split(' ');
      const spelt = routesScript
        .replaceAll('$POLICIES', '$GUARD/v1/policies')
        .replaceAll('$JOBS', '$GUARD/v1/screenings');
      const pattern = path
        .replaceAll('.', '\\.')
        .replace('{model}', 'mnist-lenet5')
        .replace(/\{(version|part)\}/, '\\d+')
        .replace('{id}', '\\$[A-Z]+');
      expect(spelt).toMatch(new RegExp(`\\$GUARD${pattern}(?=["\\s)?])`));
    },
  );

  it('shows both verdicts of the demo', () => {
    expect(output).toMatch(/allow/);
    expect(output).toMatch(/block/);
  });
});

async function untilReady(): Promise<void> {
  for (;;) {
    const status = await fetch('http://127.0.0.1:8787/v2/health/ready').then(
      (response) => response.status,
      () => 0,
    );
    if (status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}
