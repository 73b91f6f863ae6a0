// Mutates JSON by its values, so that what comes out is still JSON, or by its tokens, so that it nearly is.
import type { RandomWords } from './random.ts';

const tokens = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|[^\s]/g;
/** Values to put in the place of others, as they are written. */
const values = [
  '0',
  '1',
  '-1',
  '2',
  '255',
  '256',
  '1.5',
  '1e39',
  '-0',
  '1e-50',
  '9007199254740991',
  '9007199254740993',
  '0.99999999999999999999',
  '18446744073709551615',
  '-2147483648',
  '4294967296',
  '3.4028235677973366e38',
  '1E2',
  '""',
  '"x"',
  '"FP32"',
  '"BOOL"',
  '"INT64"',
  '"UINT8"',
  'true',
  'null',
  '[]',
  '{}',
  '[1]',
  '[[1]]',
  '{"a":1}',
  '"\\u0041"',
  '"\\ud800"',
  '"\\u0000"',
  '[1,2]',
  '[[1,2],[3,4]]',
  '[true,0]',
  '"é"',
  '"__proto__"',
  '[0]',
  '4',
  '3',
];

/** Changes a document in one place. */
export function mutateJson(text: string, random: RandomWords): string {
  return (random.below(4) > 0 ? mutateValue(text, random) : undefined) ?? mutateTokens(text, random);
}

/** Replaces, repeats, moves or removes a value or a key; undefined where the text is no JSON. */
function mutateValue(text: string, random: RandomWords): string | undefined {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return undefined;
  }
  const places = placesOf(document);
  if (places.length === 0) return undefined;
  const { parent, key } = places[random.below(places.length)];
  // A value as it is written stands behind a mark until all is written.
  const mark = '\u0001literal\u0001';
  const literal = values[random.below(values.length)];
  const other = places[random.below(places.length)];
  switch (random.below(7)) {
    case 0:
      if (Array.isArray(parent)) parent.splice(Number(key), 1);
      else delete parent[key];
      break;
    case 1:
      if (Array.isArray(parent)) parent.splice(Number(key), 0, parent[Number(key)]);
      else parent[`${key}${random.below(3)}`] = parent[key];
      break;
    case 2:
      parent[key] = structuredClone(other.parent[other.key]);
      break;
    case 3:
      if (Array.isArray(parent)) parent.push(mark);
      else parent[values[random.below(values.length)].replaceAll('"', '')] = mark;
      break;
    default:
      parent[key] = mark;
  }
  return JSON.stringify(document)?.replaceAll(JSON.stringify(mark), literal);
}

type Parent = Record<string, unknown> | (unknown[] & Record<string, unknown>);

function placesOf(value: unknown): { readonly parent: Parent; readonly key: string }[] {
  if (typeof value !== 'object' || value === null) return [];
  const parent = value as Parent;
  // The first of long lists are as good as all.
  const keys = Object.keys(parent).slice(0, 64);
  return keys.flatMap((key) => [{ parent, key }, ...placesOf(parent[key])]);
}

function mutateTokens(text: string, random: RandomWords): string {
  const found: string[] = text.match(tokens) ?? [];
  if (found.length === 0) return text;
  const at = random.below(found.length);
  switch (random.below(5)) {
    case 0:
      found.splice(at, 1 + random.below(3));
      break;
    case 1:
      found.splice(at, 0, ...found.slice(at, at + 1 + random.below(8)));
      break;
    case 2: {
      const other = random.below(found.length);
      [found[at], found[other]] = [found[other], found[at]];
      break;
    }
    case 3:
      found.splice(at, 0, ',', values[random.below(values.length)]);
      break;
    default:
      found[at] = values[random.below(values.length)];
  }
  return found.join('');
}
