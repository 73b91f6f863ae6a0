// JSON that every parser reads alike: no duplicate keys in any case, no excessive depth, valid UTF-8.
import { GuardError } from '../errors.ts';
import { jsonDepthMax } from '../limits.ts';

/**
 * Parses a JSON document strictly.
 *
 * What is scored must be what is forwarded. Parsers differ on duplicate keys (the first or the last may win), on keys that
 * differ in case alone (Go's takes them for one) and on bytes that are not UTF-8, so a document with any of these is refused
 * rather than read one way here and another way upstream.
 * @throws GuardError `malformed_request`
 */
export function parseJson(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new GuardError('malformed_request', 'the JSON part is not UTF-8', { cause });
  }
  refuseAmbiguity(text);
  try {
    return JSON.parse(text);
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message.slice(0, 200) : 'not JSON';
    throw new GuardError('malformed_request', `not JSON: ${detail}`, { cause });
  }
}

const quote = 0x22;
const backslash = 0x5c;

/** Walks the text once with a stack of the keys of each open object; `JSON.parse` judges the grammar afterwards. */
function refuseAmbiguity(text: string): void {
  const keysByDepth: (Set<string> | null)[] = [];
  let expectsKey = false;
  for (let position = 0; position < text.length; position++) {
    const code = text.charCodeAt(position);
    if (code === quote) {
      const end = stringEnd(text, position);
      const keys = keysByDepth.at(-1);
      if (expectsKey && keys) {
        const key = unescapedKey(text.slice(position, end + 1));
        const folded = foldedCase(key);
        if (keys.has(folded)) {
          throw new GuardError('malformed_request', `duplicate key ${JSON.stringify(key.slice(0, 100))}`);
        }
        keys.add(folded);
        expectsKey = false;
      }
      position = end;
    } else if (code === 0x7b || code === 0x5b) {
      // { or [
      keysByDepth.push(code === 0x7b ? new Set() : null);
      expectsKey = code === 0x7b;
      if (keysByDepth.length > jsonDepthMax) {
        throw new GuardError('malformed_request', `JSON is nested deeper than ${jsonDepthMax} levels`);
      }
    } else if (code === 0x7d || code === 0x5d) {
      // } or ]
      keysByDepth.pop();
      expectsKey = false;
    } else if (code === 0x2c) {
      // ,
      expectsKey = keysByDepth.at(-1) instanceof Set;
    }
  }
}

/** Position of the quote that ends the string which starts at `start`; the end of the text where there is none. */
export function stringEnd(text: string, start: number): number {
  for (let position = start + 1; position < text.length; position++) {
    const code = text.charCodeAt(position);
    if (code === backslash) position++;
    else if (code === quote) return position;
  }
  return text.length;
}

/** By way of the upper case, so that letters such as the long s, whose upper case is that of another letter, fold too. */
function foldedCase(key: string): string {
  return key.toUpperCase().toLowerCase();
}

/** Two spellings of one key ("a" and "\u0061") are one key. */
function unescapedKey(literal: string): string {
  if (!literal.includes('\\')) return literal.slice(1, -1);
  try {
    return JSON.parse(literal) as string;
  } catch {
    return literal;
  }
}
