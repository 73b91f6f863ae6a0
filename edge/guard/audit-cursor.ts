// Cursors of the audit: a place in it that nobody but the guard can write, and that holds for the same question alone.
import { GuardError } from '../../shared/errors.ts';
import { keyedBytes, type NoiseKey, toHex } from '../../shared/noise/noise-key.ts';
import type { AuditFilter, AuditPage, AuditPlace } from '../clients/audit-store.ts';

/** What a cursor belongs to: pages of another question have other places. */
export type CursorScope = AuditFilter & Pick<AuditPage, 'order'>;

/** Bytes of the seal. */
const sealBytes = 16;
const encoder = new TextEncoder();

/** Writes the cursor behind an entry. */
export async function sealCursor({ at, id }: AuditPlace, scope: CursorScope, key: NoiseKey): Promise<string> {
  const text = JSON.stringify([at, id]);
  const encoded = btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
  return `${encoded}.${await sealOf(encoded, scope, key)}`;
}

/**
 * Reads a cursor.
 * @throws GuardError `malformed_request` where it was changed, or given for another question or under another noise key
 */
export async function openCursor(cursor: string, scope: CursorScope, key: NoiseKey): Promise<AuditPlace> {
  const [, encoded, seal] = /^([\w-]{1,200})\.([0-9a-f]{32})$/.exec(cursor) ?? [];
  if (encoded === undefined || !isSame(await sealOf(encoded, scope, key), seal)) {
    const detail = 'the cursor is not one that was given for these filters';
    throw new GuardError('malformed_request', detail, { places: [{ pointer: 'cursor', detail }] });
  }
  const text = atob(encoded.replaceAll('-', '+').replaceAll('_', '/'));
  const [at, id] = JSON.parse(text) as [string, string];
  return { at, id };
}

async function sealOf(encoded: string, scope: CursorScope, key: NoiseKey): Promise<string> {
  const { order, model, verdict, failure, principal, from, to } = scope;
  const filters = [order, model, verdict, failure, principal, from, to].map((value) => value ?? null);
  const context = encoder.encode(JSON.stringify([encoded, filters]));
  return toHex(await keyedBytes(key, { label: 'nccr-guard/audit-cursor/v1', context, length: sealBytes }));
}

/** Looks at all characters, so that the time says nothing about the seal. */
function isSame(one: string, other: string): boolean {
  let difference = one.length ^ other.length;
  for (let index = 0; index < one.length; index++) {
    difference |= one.charCodeAt(index) ^ other.charCodeAt(index);
  }
  return difference === 0;
}
