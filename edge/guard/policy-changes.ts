// What differs between two policies, member by member.
import type { Policy, PolicyChange } from '../../shared/contracts/policy.ts';

/** The members of `to` that are others in `from`, in the order of the policy. */
export function policyChanges(from: Policy, to: Policy): PolicyChange[] {
  return changesAt('', from, to);
}

/** Both sides were parsed by one strict schema: they have the same members. */
function changesAt(path: string, from: object, to: object): PolicyChange[] {
  const before = from as Readonly<Record<string, unknown>>;
  return Object.entries(to).flatMap(([name, value]: [string, unknown]): PolicyChange[] => {
    const at = `${path}/${name}`;
    const old = before[name];
    if (isObject(old) && isObject(value)) return changesAt(at, old, value);
    return Object.is(old, value) ? [] : [{ op: 'replace', path: at, old, value }];
  });
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
