// Names that a misspelt one may have meant.

/** Names that are shown. */
const shown = 3;

/** The names with the smallest edit distance, nearest first. */
export function nearNames(name: string, names: Iterable<string>): string[] {
  const distances = [...names].map((other) => ({ other, distance: editDistance(name, other) }));
  distances.sort((left, right) => left.distance - right.distance || (left.other < right.other ? -1 : 1));
  return distances.slice(0, shown).map(({ other }) => other);
}

/** Insertions, deletions and replacements between two names (Wagner and Fischer 1974). */
function editDistance(from: string, to: string): number {
  let previous = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const replaced = previous[column - 1] + (from[row - 1] === to[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, previous[column] + 1, current[column - 1] + 1));
    }
    previous = current;
  }
  return previous[to.length];
}
