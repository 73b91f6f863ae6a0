// The form of a draft: a control a member, named by the member's JSON pointer; the check of queries is there whole or not at all.
import type { Policy } from '../../../shared/contracts/policy.ts';
import { choice, find } from './element.ts';

type Control = HTMLInputElement | HTMLSelectElement;

/** Puts a policy into the form. */
export function fillForm(form: HTMLFormElement, policy: Policy): void {
  for (const control of controlsOf(form)) {
    const value = at(policy, control.name);
    control.value = typeof value === 'string' || typeof value === 'number' ? String(value) : '';
  }
  const { queries } = policy;
  choice('queries-action').value = queries?.action ?? '';
  find('queries-matches', HTMLInputElement).value = String(queries?.matches_min ?? '');
  find('queries-window', HTMLInputElement).value = String(queries?.window_s ?? '');
}

/**
 * The policy that the form says. What it has no control for stays as it was: the page may be older than the policy.
 * @param base what the form was filled with
 */
export function readForm(form: HTMLFormElement, base: Policy): Policy {
  const policy = structuredClone(base);
  for (const control of controlsOf(form)) put(policy, control.name, entered(control));
  return { ...policy, queries: enteredQueries() };
}

function enteredQueries(): Policy['queries'] {
  const action = choice('queries-action').value;
  if (action !== 'flag' && action !== 'block') return null;
  const [matches, window] = ['queries-matches', 'queries-window'].map((id) => {
    const { value, placeholder } = find(id, HTMLInputElement);
    return Number(value === '' ? placeholder : value);
  });
  return { matches_min: matches, window_s: window, action };
}

function controlsOf(form: HTMLFormElement): Control[] {
  const controls = [...form.elements].filter(
    (one): one is Control => one instanceof HTMLInputElement || one instanceof HTMLSelectElement,
  );
  return controls.filter(({ name }) => name.startsWith('/'));
}

/** A number field that is empty says null. */
function entered(control: Control): string | number | null {
  if (control instanceof HTMLSelectElement || control.type !== 'number') return control.value;
  return control.value === '' ? null : Number(control.value);
}

function at(policy: Policy, pointer: string): unknown {
  return membersOf(pointer).reduce<unknown>(
    (value, member) => (value as Readonly<Record<string, unknown>> | undefined)?.[member],
    policy,
  );
}

function put(policy: Policy, pointer: string, value: unknown): void {
  const members = membersOf(pointer);
  const last = members.pop()!;
  const parent = members.reduce<Record<string, unknown>>(
    (parent, member) => parent[member] as Record<string, unknown>,
    policy as Record<string, unknown>,
  );
  parent[last] = value;
}

function membersOf(pointer: string): string[] {
  return pointer.slice(1).split('/');
}
