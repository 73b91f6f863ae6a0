// Delivers a webhook with bounded retries; the caller says how to try and how to wait, so that a Workflow can do both durably.
import { webhookRetryAfterMsMax, webhookRetryDelaysMs } from '../limits.ts';
import type { WebhookAttempt } from './attempt-webhook.ts';

/** How a delivery is driven. */
export interface DeliveryOptions {
  /** Makes one attempt, counted from 1. */
  readonly attempt: (number: number) => Promise<WebhookAttempt>;
  /** Waits before the attempt of this number. */
  readonly wait: (delayMs: number, number: number) => Promise<void>;
  /** Waiting times before the second attempt and on: there is one attempt more than there are of them. */
  readonly delaysMs?: readonly number[];
}

/** How a delivery ended. */
export interface Delivery {
  readonly delivered: boolean;
  readonly attempts: number;
  /** Why the last attempt failed. */
  readonly reason?: string;
}

/** Tries until a receiver takes the message, refuses it for good, or the attempts are used up. */
export async function deliverWebhook({
  attempt,
  wait,
  delaysMs = webhookRetryDelaysMs,
}: DeliveryOptions): Promise<Delivery> {
  for (let attempts = 1; ; attempts++) {
    const answer = await attempt(attempts);
    if (answer.outcome === 'delivered') return { delivered: true, attempts };
    const { reason, retry, retryAfterMs = 0 } = answer;
    if (!retry || attempts > delaysMs.length) return { delivered: false, attempts, reason };
    await wait(
      Math.max(delaysMs[attempts - 1], Math.min(retryAfterMs, webhookRetryAfterMsMax)),
      attempts + 1,
    );
  }
}
