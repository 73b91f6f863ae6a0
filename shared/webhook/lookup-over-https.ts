// Looks up the addresses of a host through DNS over HTTPS, for a Worker has no resolver of its own.
import { z } from 'zod';
import { GuardError } from '../errors.ts';

/** What is read of an answer; types 1 and 28 are addresses, the others are the way to them. */
const answerSchema = z.object({
  Answer: z.array(z.object({ type: z.int(), data: z.string() })).default([]),
});
const recordTypes = { A: 1, AAAA: 28 } as const;

/** Which resolver to ask. */
export interface LookupOptions {
  /** An address that answers `application/dns-json`, such as that of Cloudflare's or Google's resolver. */
  readonly resolver: URL;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
}

/**
 * Makes a `lookup` for the delivery of webhooks.
 * @returns a function that gives all addresses of a host, of IPv4 and IPv6; it throws where the resolver does not answer
 */
export function lookupOverHttps({
  resolver,
  fetch,
}: LookupOptions): (host: string, signal: AbortSignal) => Promise<string[]> {
  const ask = async (host: string, type: keyof typeof recordTypes, signal: AbortSignal) => {
    const url = new URL(resolver);
    url.searchParams.set('name', host);
    url.searchParams.set('type', type);
    const response = await fetch(url.href, { headers: { accept: 'application/dns-json' }, signal });
    if (!response.ok) throw new GuardError('internal', `the resolver answers with status ${response.status}`);
    const { Answer } = answerSchema.parse(await response.json());
    return Answer.filter((record) => record.type === recordTypes[type]).map(({ data }) => data);
  };
  return async (host, signal) => {
    const found = await Promise.all([ask(host, 'A', signal), ask(host, 'AAAA', signal)]);
    return found.flat();
  };
}
