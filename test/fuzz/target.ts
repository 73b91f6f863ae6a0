// What is fuzzed: a reader, the bytes it begins with, and what must hold of every case.
import { GuardError } from '../../shared/errors.ts';

/** One reader under fuzzing. */
export interface FuzzTarget {
  readonly name: string;
  /** Cases to mutate first: valid ones and such as show the format's corners. */
  seeds(): Promise<readonly Uint8Array[]> | readonly Uint8Array[];
  /** Words of the format that mutations put in. */
  readonly dictionary: readonly (string | Uint8Array)[];
  /** Bytes of a case. */
  readonly bytesMax: number;
  /** Of cases that are JSON, with bytes behind it at times: the byte that separates them. */
  readonly jsonEnd?: number;
  /** Cases that `npm test` runs: fewer of slow readers. */
  readonly sliceCases: number;
  /**
   * Reads one case and checks what was read.
   * @throws GuardError of a 4xx code where the case is refused; anything else that is thrown is a finding
   */
  read(bytes: Uint8Array): Promise<void> | void;
}

/** How a case ended. */
export type CaseEnd = 'accepted' | 'refused';

/** A promise that a reader broke. */
export class Finding extends Error {
  override readonly name = 'Finding';
}

/** Throws a finding where something that must hold does not. */
export function mustHold(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Finding(what);
}

/**
 * Reads a case.
 * @throws Finding, or whatever else is no refusal
 */
export function runCase(target: FuzzTarget, bytes: Uint8Array): CaseEnd | Promise<CaseEnd> {
  try {
    const reading = target.read(bytes);
    return reading === undefined ? 'accepted' : reading.then(() => 'accepted' as const, refusalOf);
  } catch (thrown) {
    return refusalOf(thrown);
  }
}

/** Lets a refusal of the caller's fault pass. */
function refusalOf(thrown: unknown): CaseEnd {
  if (thrown instanceof GuardError && thrown.status >= 400 && thrown.status < 500) return 'refused';
  throw thrown;
}

/** Whether reading throws a refusal; what else it throws is passed on. */
export function isRefused(read: () => unknown): boolean {
  try {
    read();
    return false;
  } catch (thrown) {
    refusalOf(thrown);
    return true;
  }
}

/** Whether two byte arrays hold the same. */
export function sameBytes(one: ArrayBufferView, other: ArrayBufferView): boolean {
  return Buffer.compare(bufferOf(one), bufferOf(other)) === 0;
}

function bufferOf(view: ArrayBufferView): Buffer {
  return Buffer.from(view.buffer, view.byteOffset, view.byteLength);
}
