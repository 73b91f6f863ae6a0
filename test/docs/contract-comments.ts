// What the comments of the contracts say of each member: zod's schemas know a member's form, the source what it means.
import { readdirSync, readFileSync } from 'node:fs';

const folder = new URL('../../shared/contracts/', import.meta.url);

/** The members of one object literal with the comment before each, empty where there is none. */
type Shape = ReadonlyMap<string, string>;

/** Looks up what a member means, by its name and those of the members beside it. */
export function contractComments(): (members: readonly string[], member: string) => string {
  const shapes = readdirSync(folder)
    .filter((name) => name.endsWith('.ts'))
    .flatMap((name) => shapesOf(readFileSync(new URL(name, folder), 'utf8')));
  return (members, member) => {
    const likeness = (shape: Shape) => {
      const common = members.filter((name) => shape.has(name)).length;
      return common / (members.length + shape.size - common);
    };
    const candidates = shapes.filter((shape) => shape.has(member));
    candidates.sort((a, b) => likeness(b) - likeness(a));
    return candidates[0]?.get(member) ?? '';
  };
}

/** A bracket that is open, and of a brace the members so far. */
interface Open {
  readonly members: Map<string, string>;
  readonly isBrace: boolean;
  comment: string;
  /** Whether the next name would be that of a member. */
  atMember: boolean;
}

/** Comments, strings and regular expressions first, since brackets within them are none; then brackets, commas and names. */
const token =
  /\/\*\*(?<doc>[\s\S]*?)\*\/|\/\/[^\n]*|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`|(?<=[(,=]\s*)\/(?![*/])(?:[^/\\\n[]|\\.|\[[^\]\n]*\])+\/\w*|(?<open>[{([])|(?<close>[})\]])|(?<comma>,)|\.\.\.|(?<name>[A-Za-z_$][\w$]*)/g;

function shapesOf(source: string): Shape[] {
  const shapes: Shape[] = [];
  const stack: Open[] = [];
  for (const { groups = {} } of source.matchAll(token)) {
    const top = stack.at(-1);
    if (groups.open) {
      if (top) top.atMember = false;
      stack.push({ members: new Map(), isBrace: groups.open === '{', comment: '', atMember: true });
    } else if (groups.close) {
      const closed = stack.pop();
      if (closed?.isBrace) shapes.push(closed.members);
    } else if (top !== undefined) {
      if (groups.doc !== undefined) top.comment = sentenceOf(groups.doc);
      else if (groups.comma) Object.assign(top, { atMember: true, comment: '' });
      else if (groups.name && top.atMember && top.isBrace) {
        top.members.set(groups.name, top.comment);
        top.atMember = false;
      } else top.atMember = false;
    }
  }
  return shapes;
}

/** The comment in one line, without its stars. */
function sentenceOf(doc: string): string {
  return doc
    .replaceAll(/^\s*\* ?/gm, '')
    .replaceAll(/\s+/g, ' ')
    .trim();
}
