// Which model, noise key and plan a compiled graph is of, said by the name of an output: for servers that echo no parameters.
import { sha256Digest } from './noise-key.ts';

/** What a detector is bound to. */
export interface GraphIdentity {
  readonly modelDigest: string;
  readonly noiseKeyId: string;
  readonly planDigest: string;
}

/** What the name of an output says of its graph. */
export interface NamedIdentity {
  /** 64 hexadecimal digits: `identityHash` of what the graph was made from. */
  readonly hash: string;
  /** `sha256:…` of the compiled graph as it was before it got the output. */
  readonly compiledDigest: string;
}

const namePattern = /^guard_identity_([0-9a-f]{64})_([0-9a-f]{64})$/;

/** Hash of an identity: equal where all three of its parts are. */
export async function identityHash({ modelDigest, noiseKeyId, planDigest }: GraphIdentity): Promise<string> {
  const text = ['nccr-guard/graph-identity/v1', modelDigest, noiseKeyId, planDigest].join('\n');
  return (await sha256Digest(new TextEncoder().encode(text))).slice('sha256:'.length);
}

/** Name of the output that says an identity. */
export async function identityOutputName(identity: GraphIdentity, compiledDigest: string): Promise<string> {
  return `guard_identity_${await identityHash(identity)}_${compiledDigest.slice('sha256:'.length)}`;
}

/**
 * Reads the identity off the names of a graph's outputs.
 * @returns undefined where none of them says one, or more than one does
 */
export function namedIdentity(outputs: readonly { readonly name: string }[]): NamedIdentity | undefined {
  const found = outputs.map(({ name }) => namePattern.exec(name)).filter((match) => match !== null);
  const [match, ...others] = found;
  if (match === undefined || others.length > 0) return undefined;
  return { hash: match[1], compiledDigest: `sha256:${match[2]}` };
}
