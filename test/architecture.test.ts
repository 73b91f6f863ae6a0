// The house rules of docs/architecture.md, read off the source.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '..');

interface SourceFile {
  readonly path: string;
  readonly text: string;
  readonly imports: readonly string[];
}

const files = ['shared', 'gpu-worker', 'edge'].flatMap(sourceFiles);

function sourceFiles(folder: string): SourceFile[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts') && !name.includes('node_modules'))
    .map((name) => {
      const path = join(folder, name);
      const text = readFileSync(join(root, path), 'utf8');
      const specifiers = [
        ...text.matchAll(/(?:^|\n)(?:import|export)\s[^;]*?from\s+'([^']+)'|import\('([^']+)'\)/g),
      ];
      const imports = specifiers.map((match) => {
        const specifier = match[1] ?? match[2];
        return specifier.startsWith('.')
          ? relative(root, resolve(root, dirname(path), specifier))
          : specifier;
      });
      return { path, text, imports };
    });
}

/** Rows of docs/architecture.md: a room may import its own row's rooms and those of the rows after it. */
const rows: Readonly<Record<'edge' | 'gpu-worker', readonly (readonly string[])[]>> = {
  edge: [
    ['edge/worker.ts', 'edge/detector-worker/', 'edge/gpu-container/'],
    ['edge/app.ts', 'edge/dependencies.ts'],
    ['edge/routes/', 'edge/dashboard/', 'edge/access/'],
    ['edge/guard/', 'edge/screening/'],
    [
      'edge/clients/',
      'edge/config.ts',
      'edge/access-variables.ts',
      'edge/load-variables.ts',
      'edge/model-variables.ts',
      'edge/bindings.ts',
    ],
  ],
  'gpu-worker': [
    ['gpu-worker/server.ts', 'gpu-worker/cli/', 'gpu-worker/demo/', 'gpu-worker/image/'],
    [
      'gpu-worker/run-server.ts',
      'gpu-worker/stop-request.ts',
      'gpu-worker/app.ts',
      'gpu-worker/answer-decoding.ts',
      'gpu-worker/answer-inference.ts',
      'gpu-worker/bearer-token.ts',
      'gpu-worker/metrics.ts',
      'gpu-worker/served-model.ts',
      'gpu-worker/resident-models.ts',
      'gpu-worker/waiting-runs.ts',
      'gpu-worker/conformance/',
      'gpu-worker/evaluate/',
      'gpu-worker/reproduce/',
      'gpu-worker/calibrate/',
      'gpu-worker/training/',
      'gpu-worker/screening/',
      'gpu-worker/triton/',
    ],
    [
      'gpu-worker/attacks/',
      'gpu-worker/baselines/',
      'gpu-worker/triggers/',
      'gpu-worker/datasets/',
      'gpu-worker/images/',
      'gpu-worker/media/',
    ],
    ['gpu-worker/extraction/'],
    ['gpu-worker/engine/', 'gpu-worker/onnx/', 'gpu-worker/config.ts'],
  ],
};

/** What a room of shared/ imports beside zod and canonicalize: pure JavaScript that needs neither Node nor a browser. */
const sharedLibraries: Readonly<Record<string, readonly string[]>> = {
  report: ['hono/html'],
  'robustness-report': ['d3-scale', 'hono/html'],
  'screening-report': ['d3-scale', 'fast-png', 'hono/html'],
  uploads: ['fflate', 'modern-tar'],
  webhook: ['ipaddr.js', 'standardwebhooks'],
};

function rowOf(path: string): number {
  const program = path.startsWith('edge/') ? 'edge' : 'gpu-worker';
  return rows[program].findIndex((rooms) =>
    rooms.some((room) => path === room || (room.endsWith('/') && path.startsWith(room))),
  );
}

function offenders(broken: (file: SourceFile) => readonly string[]): string[] {
  return files.flatMap((file) => broken(file).map((what) => `${file.path}: ${what}`));
}

describe('the house', () => {
  it('has its source where the plan says', () => {
    expect(files.length).toBeGreaterThan(50);
    const homeless = files.filter(({ path }) => !path.startsWith('shared/') && rowOf(path) < 0);
    expect(homeless.map(({ path }) => path)).toEqual([]);
  });

  it('keeps edge and gpu-worker apart, and shared below both', () => {
    const broken = offenders(({ path, imports }) => {
      const program = path.split('/')[0];
      return imports.filter((target) => {
        const other = target.split('/')[0];
        return ['edge', 'gpu-worker', 'shared'].includes(other) && other !== program && other !== 'shared';
      });
    });
    expect(broken).toEqual([]);
  });

  it('lets shared import zod and canonicalize, and each room the libraries of its own that run on every platform', () => {
    const broken = offenders(({ path, imports }) =>
      path.startsWith('shared/')
        ? imports.filter(
            (target) =>
              !target.startsWith('shared/') &&
              !['zod', 'canonicalize', ...(sharedLibraries[path.split('/')[1]] ?? [])].includes(target),
          )
        : [],
    );
    expect(broken).toEqual([]);
  });

  it('imports only sideways and downward', () => {
    const broken = offenders(({ path, imports }) =>
      imports.filter((target) => {
        const program = path.split('/')[0];
        return target.startsWith(`${program}/`) && program !== 'shared' && rowOf(target) < rowOf(path);
      }),
    );
    expect(broken).toEqual([]);
  });

  it('keeps code for browsers to itself, to shared/ and to types alone of what needs zod', () => {
    const broken = offenders(({ path, text, imports }) =>
      path.startsWith('edge/dashboard/browser/')
        ? [
            ...imports.filter(
              (target) => !target.startsWith('edge/dashboard/browser/') && !target.startsWith('shared/'),
            ),
            ...(text.match(/^import (?!type )[^;]*shared\/contracts\/[^;]*/gm) ?? []),
          ]
        : [],
    );
    expect(broken).toEqual([]);
  });

  it('imports each runtime only in the files named after it', () => {
    const broken = offenders(({ path, imports }) =>
      imports.filter((target) => {
        const file = path.split('/').at(-1)!;
        if (target.startsWith('onnxruntime-')) return !file.startsWith('ort-');
        if (target === '@cloudflare/containers') return path !== 'edge/gpu-container/worker.ts';
        if (target.startsWith('@tensorflow/')) return !file.startsWith('tfjs-');
        if (target === 'cloudflare:workers') {
          return (
            !['edge/worker.ts', 'edge/screening/screening-workflow.ts'].includes(path) &&
            !path.startsWith('edge/detector-worker/')
          );
        }
        return false;
      }),
    );
    expect(broken).toEqual([]);
  });

  it('reads the environment only in config files', () => {
    const broken = offenders(({ path, text }) =>
      /process\.env\b/.test(text) && !path.endsWith('config.ts') ? ['process.env'] : [],
    );
    expect(broken).toEqual([]);
  });

  it('opens each file with a line that says its job, and keeps it under 300 lines', () => {
    const broken = offenders(({ text }) => {
      const lines = text.split('\n').length - 1;
      const opening = text.startsWith('#!') ? text.slice(text.indexOf('\n') + 1) : text;
      return [
        ...(lines > 300 ? [`${lines} lines`] : []),
        ...(opening.startsWith('// ') ? [] : ['no opening line']),
      ];
    });
    expect(broken).toEqual([]);
  });

  it('makes problem answers in one place', () => {
    const broken = offenders(({ path, text }) =>
      text.includes("'application/problem+json'") && path !== 'shared/problem-response.ts'
        ? ['problem+json']
        : [],
    );
    expect(broken).toEqual([]);
  });
});
