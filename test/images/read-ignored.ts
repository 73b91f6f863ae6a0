// The patterns of a .dockerignore: the last one that fits a path, or a folder above it, decides.

/**
 * Reads the patterns, of which `*`, `**` and `!` are understood.
 * @returns whether a path, relative to the context, stays out of it
 */
export function readIgnored(text: string): (path: string) => boolean {
  const rules = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => ({ keeps: line.startsWith('!'), fits: patternOf(line.replace(/^!/, '')) }));
  return (path) => {
    const parts = path.split('/');
    const above = parts.map((_, index) => parts.slice(0, index + 1).join('/'));
    const deciding = rules.findLast(({ fits }) => above.some((one) => fits.test(one)));
    return deciding !== undefined && !deciding.keeps;
  };
}

/** Unlike a shell's, a pattern's asterisk takes names that begin with a dot too. */
function patternOf(pattern: string): RegExp {
  const parts = pattern.split('/').filter((part) => part !== '');
  const source = parts.map((part, index) => {
    if (part === '**') return index === parts.length - 1 ? '.*' : '(?:.*/)?';
    const own = part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '[^/]*');
    return index === parts.length - 1 ? own : `${own}/`;
  });
  return new RegExp(`^${source.join('')}$`);
}
