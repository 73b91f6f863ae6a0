// Adds a member to the JSON of another server's answer and leaves every other byte of it as it came.
import { parseJson, stringEnd } from './parse-json.ts';

/** Where a member is put: in the object itself, or in the one that its member `inside` holds or is to hold. */
export interface AddedMember {
  readonly inside?: string;
  readonly name: string;
  readonly value: string;
}

/**
 * Adds a member by editing the text: parsed and written anew, numbers over 2^53 would be others than the server sent.
 * @param json a JSON object
 * @returns undefined where it is no object, `inside` holds none, or the member is there already
 * @throws GuardError `malformed_request` where it is no JSON that every parser reads alike
 */
export function addMember(json: Uint8Array, { inside, name, value }: AddedMember): Uint8Array | undefined {
  const message = parseJson(json);
  if (!isObject(message)) return undefined;
  const text = new TextDecoder().decode(json);
  const member = `${JSON.stringify(name)}:${JSON.stringify(value)}`;
  const outer = text.indexOf('{') + 1;
  if (inside === undefined) return inserted(text, { at: outer, member, object: message, name });
  const at = valuePosition(text, inside);
  if (at === undefined) {
    const nested = `${JSON.stringify(inside)}:{${member}}`;
    return inserted(text, { at: outer, member: nested, object: message, name: inside });
  }
  const object = message[inside];
  if (!isObject(object)) return undefined;
  return inserted(text, { at: text.indexOf('{', at) + 1, member, object, name });
}

/** Writes a member behind the bracket that opens its object. */
function inserted(
  text: string,
  { at, member, object, name }: { at: number; member: string; object: object; name: string },
): Uint8Array | undefined {
  if (Object.hasOwn(object, name)) return undefined;
  const comma = Object.keys(object).length === 0 ? '' : ',';
  return new TextEncoder().encode(`${text.slice(0, at)}${member}${comma}${text.slice(at)}`);
}

/** Where the value of a member of the outermost object begins, at the latest. */
function valuePosition(text: string, name: string): number | undefined {
  let depth = 0;
  let expectsKey = false;
  for (let position = 0; position < text.length; position++) {
    const sign = text[position];
    if (sign === '"') {
      const end = stringEnd(text, position);
      if (depth === 1 && expectsKey && JSON.parse(text.slice(position, end + 1)) === name) {
        return text.indexOf(':', end) + 1;
      }
      expectsKey = false;
      position = end;
    } else if (sign === '{' || sign === '[') {
      depth++;
      expectsKey = depth === 1;
    } else if (sign === '}' || sign === ']') depth--;
    else if (sign === ',') expectsKey = depth === 1;
  }
  return undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
