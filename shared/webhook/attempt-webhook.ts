// One attempt to deliver a webhook.
import ipaddr from 'ipaddr.js';
import { assert } from '../assert.ts';
import { signWebhook, type WebhookMessage } from './sign-webhook.ts';
import { isPublicAddress } from './webhook-target.ts';

/** How an attempt ended; a value that a durable step can keep. */
export type WebhookAttempt =
  | { readonly outcome: 'delivered'; readonly status: number }
  | {
      readonly outcome: 'failed';
      readonly reason: string;
      /** Whether another attempt may do better. */
      readonly retry: boolean;
      /** What the receiver asked for. */
      readonly retryAfterMs?: number;
    };

/** What an attempt needs. */
export interface AttemptOptions {
  /** Of `webhookTarget`. */
  readonly target: URL;
  /** Of `webhookSecretsSchema`. */
  readonly secrets: readonly string[];
  readonly timeoutMs: number;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  readonly nowMs: () => number;
  /**
   * Looks up the addresses of a host, of which each has to be public. It narrows what a self-hosted guard can be made to call;
   * it does not close it, for `fetch` looks again.
   */
  readonly lookup?: (host: string, signal: AbortSignal) => Promise<readonly string[]>;
}

/**
 * Sends a message once. A redirect is never followed, for it would lead where nobody looked; the answer's body is never read.
 * @returns delivered where the answer's status is 2xx within the time
 */
export async function attemptWebhook(
  message: WebhookMessage,
  { target, secrets, timeoutMs, fetch, nowMs, lookup }: AttemptOptions,
): Promise<WebhookAttempt> {
  assert(secrets.length > 0, 'a webhook needs a secret');
  const signature = signWebhook(message, { secrets, sentAtMs: nowMs() });
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const unfit = lookup === undefined ? undefined : await judgeHost(target, (host) => lookup(host, signal));
    if (unfit !== undefined) return unfit;
    const headers = { 'content-type': 'application/json', 'user-agent': 'nccr-guard-webhook', ...signature };
    const { body } = message;
    const response = await fetch(target.href, { method: 'POST', redirect: 'manual', headers, body, signal });
    const answer = judgeAnswer(response, nowMs());
    await response.body?.cancel();
    return answer;
  } catch {
    // What a failed connection says may tell of the inside of the network: whoever gave the address needs no more than this.
    const reason = signal.aborted ? `no answer within ${timeoutMs} ms` : 'the host cannot be reached';
    return { outcome: 'failed', reason, retry: true };
  }
}

async function judgeHost(
  { hostname }: URL,
  lookup: (host: string) => Promise<readonly string[]>,
): Promise<WebhookAttempt | undefined> {
  // An address stands for itself, and was judged as the webhook's address.
  if (hostname.startsWith('[') || ipaddr.isValid(hostname)) return undefined;
  const addresses = await lookup(hostname);
  if (addresses.length === 0) return { outcome: 'failed', reason: 'the host has no address', retry: true };
  if (addresses.every(isPublicAddress)) return undefined;
  return { outcome: 'failed', reason: 'the host is not of the public network', retry: false };
}

/** 410 means that nobody wants to hear any more (Standard Webhooks); a redirect is a wrong address. */
function judgeAnswer({ ok, status, type, headers }: Response, nowMs: number): WebhookAttempt {
  if (ok) return { outcome: 'delivered', status };
  if (type === 'opaqueredirect' || (status >= 300 && status < 400)) {
    return { outcome: 'failed', reason: 'the answer is a redirect, which is not followed', retry: false };
  }
  const retryAfterMs = retryAfterOf(headers.get('retry-after'), nowMs);
  return {
    outcome: 'failed',
    reason: `the answer has status ${status}`,
    retry: status !== 410,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

/** Seconds or a date (RFC 9110, section 10.2.3). */
function retryAfterOf(text: string | null, nowMs: number): number | undefined {
  if (text === null) return undefined;
  const waitMs = /^\d+$/.test(text) ? 1000 * Number(text) : Date.parse(text) - nowMs;
  return Number.isFinite(waitMs) ? Math.max(0, waitMs) : undefined;
}
