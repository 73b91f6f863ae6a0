// A Dockerfile as its stages and their steps, for the instructions that ours use; anything else is an error, not passed over.

/** One instruction. */
export type Step =
  | { readonly kind: 'run'; readonly command: string }
  | {
      readonly kind: 'copy';
      /** A stage, or a build context of its own; undefined is the build's context. */
      readonly from: string | undefined;
      readonly sources: readonly string[];
      readonly target: string;
    }
  | { readonly kind: 'workdir'; readonly path: string }
  | { readonly kind: 'env'; readonly variables: Readonly<Record<string, string>> }
  | { readonly kind: 'user'; readonly user: string }
  | { readonly kind: 'healthcheck'; readonly command: readonly string[] }
  | { readonly kind: 'entrypoint'; readonly command: readonly string[] }
  | { readonly kind: 'expose'; readonly value: string }
  | { readonly kind: 'stopsignal'; readonly value: string };

/** One stage. */
export interface Stage {
  /** An image, or the name of an earlier stage. */
  readonly base: string;
  readonly name: string;
  readonly steps: readonly Step[];
}

/**
 * Reads a Dockerfile.
 * @throws Error that quotes what is none of the forms above
 */
export function readDockerfile(text: string): Stage[] {
  const stages: { base: string; name: string; steps: Step[] }[] = [];
  const lines = text
    .replaceAll(/^\s*#.*\n/gm, '')
    .replaceAll(/\\\n/g, ' ')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  for (const line of lines) {
    const [word] = line.split(' ', 1);
    const rest = line.slice(word.length).trim();
    if (word === 'FROM') {
      const from = /^(\S+) AS (\S+)$/.exec(rest);
      if (from === null) throw new Error(`a stage without a name: ${line}`);
      stages.push({ base: from[1], name: from[2], steps: [] });
    } else stages.at(-1)!.steps.push(readStep(word, rest));
  }
  return stages;
}

function readStep(word: string, rest: string): Step {
  switch (word) {
    case 'RUN':
      return { kind: 'run', command: rest };
    case 'COPY': {
      const [first, ...others] = rest.split(/\s+/);
      const from = /^--from=(\S+)$/.exec(first)?.[1];
      const paths = from === undefined ? [first, ...others] : others;
      if (paths.some((path) => path.startsWith('--'))) throw new Error(`an unknown flag: COPY ${rest}`);
      return { kind: 'copy', from, sources: paths.slice(0, -1), target: paths.at(-1)! };
    }
    case 'WORKDIR':
      return { kind: 'workdir', path: rest };
    case 'ENV': {
      const pairs = rest.split(/\s+/).map((pair) => /^(\w+)=([^"'\s]*)$/.exec(pair)!);
      return { kind: 'env', variables: Object.fromEntries(pairs.map((pair) => [pair[1], pair[2]])) };
    }
    case 'USER':
      return { kind: 'user', user: rest };
    case 'HEALTHCHECK':
      return { kind: 'healthcheck', command: execForm(rest.slice(rest.indexOf('CMD') + 3)) };
    case 'ENTRYPOINT':
      return { kind: 'entrypoint', command: execForm(rest) };
    case 'EXPOSE':
      return { kind: 'expose', value: rest };
    case 'STOPSIGNAL':
      return { kind: 'stopsignal', value: rest };
    default:
      throw new Error(`an instruction that is not read: ${word} ${rest}`);
  }
}

/** A command as a list: the shell form would need a shell, and would hide the program from signals. */
function execForm(text: string): string[] {
  return JSON.parse(text) as string[];
}
