// Signs webhooks as Standard Webhooks says.
import { Webhook } from 'standardwebhooks';

/** What is signed. */
export interface WebhookMessage {
  /** The same in every attempt, so that a receiver can tell a repetition. */
  readonly id: string;
  /** The exact text that is sent. */
  readonly body: string;
}

/** Headers of one attempt. */
export type WebhookHeaders = Readonly<
  Record<'webhook-id' | 'webhook-timestamp' | 'webhook-signature', string>
>;

/**
 * Signs a message once with each secret: a receiver that has either takes it.
 * @param options.secrets of `webhookSecretsSchema`
 * @param options.sentAtMs Unix time of the attempt; receivers refuse what is older than some minutes
 * @see https://www.standardwebhooks.com, specification 1.0.0
 */
export function signWebhook(
  { id, body }: WebhookMessage,
  { secrets, sentAtMs }: { secrets: readonly string[]; sentAtMs: number },
): WebhookHeaders {
  const signatures = secrets.map((secret) => new Webhook(secret).sign(id, new Date(sentAtMs), body));
  return {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(sentAtMs / 1000)),
    'webhook-signature': signatures.join(' '),
  };
}
