// docs/artefacts.md: every member of the files that the software writes and reads, from the schemas that check them.
import { z } from 'zod';
import { detectionTableSchema } from '../../shared/contracts/detection-table.ts';
import { detectorArtefactSchema } from '../../shared/contracts/detector-artefact.ts';
import { compiledModelSchema } from '../../shared/contracts/extraction.ts';
import { poisonRecipeSchema } from '../../shared/contracts/poison-recipe.ts';
import { reproductionSchema } from '../../shared/contracts/reproduction.ts';
import { robustnessReportSchema } from '../../shared/contracts/robustness-report.ts';
import { screeningReportSchema } from '../../shared/contracts/screening-report.ts';
import { screeningTableSchema } from '../../shared/contracts/screening-table.ts';
import { verdictSchema } from '../../shared/contracts/verdict.ts';
import { contractComments } from './contract-comments.ts';

/** Name, where it comes from, and schema of each. */
const artefacts: readonly (readonly [title: string, origin: string, schema: z.ZodType])[] = [
  [
    'Detector artefact',
    'Written by `detector calibrate`, signed by `detector sign`, read by the edge and `model compile`.',
    detectorArtefactSchema,
  ],
  [
    'Compiled model',
    'JSON in the metadata of the ONNX file that `model compile` writes, under the key `nccr_guard`.',
    compiledModelSchema,
  ],
  [
    'Verdict',
    'In the audit and in answers of `POST /v1/guard/verdicts` and `GET /v1/verdicts`.',
    verdictSchema,
  ],
  [
    'Screening report',
    'Written by `dataset screen --out` and by screening jobs (`GET /v1/screenings/{id}/report`).',
    screeningReportSchema,
  ],
  ['Robustness report', 'Written by `model evaluate --out`.', robustnessReportSchema],
  ['Detection table', 'Written by `detector table --out`, drawn by `detector report`.', detectionTableSchema],
  ['Screening table', 'Written by `dataset screen-table --out`.', screeningTableSchema],
  ['Reproduction', 'Written by `reproduce`.', reproductionSchema],
  ['Poison recipe', 'Read by `dataset poison --recipe`.', poisonRecipeSchema],
];

/** As much of JSON Schema as zod writes of these schemas. */
interface JsonSchema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly format?: string;
  readonly contentEncoding?: string;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly items?: JsonSchema | false;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly prefixItems?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: JsonSchema | false;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
}

/** Writes the page. */
export function artefactsPage(): string {
  const meaning = contractComments();
  const sections = artefacts.map(([title, origin, schema]) => {
    const rows = membersOf(z.toJSONSchema(schema) as JsonSchema, '', meaning);
    return `## ${title}\n\n${origin}\n\n| member | form | meaning |\n|---|---|---|\n${rows.join('\n')}\n`;
  });
  return `# Artefacts

The files and answers that outlive a command, member by member. Written from the schemas that check them, and the comments there, by \`npm run docs\`; a
test holds the page to them. \`[]\` is each element of a list, \`{}\` each value of a record whose names are free, \`?\` a member that may be left out.

${sections.join('\n')}`;
}

type Meaning = ReturnType<typeof contractComments>;

/** A row for each member of an object, those within it behind it. */
function membersOf(schema: JsonSchema, path: string, meaning: Meaning): string[] {
  const { properties, required = [] } = schema;
  if (properties === undefined) return withinOf(schema, path, meaning);
  const names = Object.keys(properties);
  return names.flatMap((name) => {
    const member = properties[name];
    const at = path === '' ? name : `${path}.${name}`;
    const optional = required.includes(name) ? '' : '?';
    const row = `| \`${at}${optional}\` | ${cellText(formOf(member))} | ${cellText(meaning(names, name))} |`;
    return [row, ...withinOf(member, at, meaning)];
  });
}

/** The rows of what lies within a member that is no object itself. */
function withinOf(schema: JsonSchema, path: string, meaning: Meaning): string[] {
  const { properties, items, prefixItems, additionalProperties, anyOf, oneOf } = schema;
  if (properties !== undefined) return membersOf(schema, path, meaning);
  if (prefixItems !== undefined) {
    const same = new Set(prefixItems.map((each) => JSON.stringify(each))).size === 1;
    if (same) return withinOf(prefixItems[0], `${path}[]`, meaning);
    return prefixItems.flatMap((each, index) => withinOf(each, `${path}[${index}]`, meaning));
  }
  if (items) return withinOf(items, `${path}[]`, meaning);
  if (additionalProperties) return withinOf(additionalProperties, `${path}{}`, meaning);
  const rows = (anyOf ?? oneOf ?? []).flatMap((each) => withinOf(each, path, meaning));
  // What tells alternatives apart stands in the form of the member that has them.
  return [...new Set(rows)].filter((row) => !telling.some((name) => row.startsWith(`| \`${path}.${name}\``)));
}

/** The form in words. */
function formOf(schema: JsonSchema): string {
  const { type, properties, items, prefixItems, additionalProperties } = schema;
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return [...new Set(choices.map(formOf))].join(' or ');
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
  if (schema.enum !== undefined) return schema.enum.map((each) => `\`${JSON.stringify(each)}\``).join(', ');
  if (prefixItems !== undefined) return `[${prefixItems.map(formOf).join(', ')}]`;
  if (items) return `list of ${formOf(items)}${countText(schema)}`;
  if (properties !== undefined) return variantOf(properties);
  if (additionalProperties) return `record of ${formOf(additionalProperties)}`;
  if (type === 'string') return stringForm(schema);
  return `${type ?? 'anything'}${boundsText(schema)}`;
}

/** Members that tell the alternatives of an object apart. */
const telling: readonly string[] = ['kind', 'family', 'verdict', 'trigger'];

/** An object, with the member that tells it from its alternatives. */
function variantOf(properties: Readonly<Record<string, JsonSchema>>): string {
  const fixed = Object.entries(properties).find(
    ([name, member]) => member.const !== undefined && telling.includes(name),
  );
  return fixed === undefined
    ? 'object'
    : `object (\`${fixed[0]}\` ${JSON.stringify(fixed[1].const)}: \`${Object.keys(properties).join('`, `')}\`)`;
}

function stringForm({ format, contentEncoding, pattern }: JsonSchema): string {
  if (pattern?.startsWith('^sha256:')) return 'digest, `sha256:` and 64 hexadecimal digits';
  if (format === 'date-time') return 'time, ISO 8601';
  if (contentEncoding !== undefined || format === 'base64') return 'base64';
  return pattern === undefined || format !== undefined ? 'string' : `string like \`${pattern}\``;
}

function boundsText({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: JsonSchema): string {
  const bounds = [
    exclusiveMinimum === undefined ? '' : `above ${exclusiveMinimum}`,
    minimum === undefined || minimum === Number.MIN_SAFE_INTEGER ? '' : `from ${minimum}`,
    exclusiveMaximum === undefined ? '' : `below ${exclusiveMaximum}`,
    maximum === undefined || maximum === Number.MAX_SAFE_INTEGER ? '' : `to ${maximum}`,
  ].filter((text) => text !== '');
  return bounds.length === 0 ? '' : `, ${bounds.join(' ')}`;
}

function countText({ minItems = 0, maxItems }: JsonSchema): string {
  if (maxItems !== undefined && maxItems === minItems) return ` of ${minItems}`;
  if (maxItems !== undefined) return ` (${minItems} to ${maxItems})`;
  return minItems > 0 ? ` (at least ${minItems})` : '';
}

function cellText(text: string): string {
  return text.replaceAll('|', '\\|');
}
