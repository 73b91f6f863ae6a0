// Tells the owner of a job that it has ended, by a signed webhook; each attempt is a step, and each wait is one.
import type { WebhookPayload } from '../../shared/contracts/webhook.ts';
import { log } from '../../shared/log.ts';
import { attemptWebhook, type WebhookAttempt } from '../../shared/webhook/attempt-webhook.ts';
import { deliverWebhook } from '../../shared/webhook/deliver-webhook.ts';
import { webhookTarget } from '../../shared/webhook/webhook-target.ts';
import type { StepBounds, WorkflowStep } from '../bindings.ts';
import type { JobHold, StoredJob } from './job-store.ts';
import type { ScreeningServices } from './screening-services.ts';

/** Longest that a receiver may take. */
const attemptMs = 10_000;
/** The retries are those of the delivery. */
const bounds: StepBounds = { retries: { limit: 2, delay: 1_000, backoff: 'exponential' }, timeout: 60_000 };

/** Delivers the word of a job that has ended, where it asked for one and nobody else delivers it. */
export async function notifyEnd(
  hold: JobHold,
  { step, services }: { step: WorkflowStep; services: ScreeningServices },
): Promise<void> {
  const { jobs, notices, webhook } = services;
  const message = await step.do('webhook message', bounds, async () => {
    if (!(await notices.keep(hold))) return { body: null };
    const job = await jobs.read(hold.job);
    return { body: job === undefined ? null : JSON.stringify(payloadOf(job)), url: job?.request.webhook };
  });
  const { body, url } = message;
  if (body === null || url === undefined || webhook === undefined) return;
  const { retryDelaysMs: delaysMs } = webhook;
  const delivery = await deliverWebhook({
    ...(delaysMs !== undefined && { delaysMs }),
    attempt: (number) =>
      step.do(`webhook attempt ${number}`, bounds, async (): Promise<WebhookAttempt> => {
        if (!(await notices.keep(hold)))
          return { outcome: 'failed', reason: 'another run tells', retry: false };
        const target = webhookTarget(url, webhook.policy);
        const options = { ...webhook, target, timeoutMs: attemptMs, nowMs: Date.now };
        return attemptWebhook({ id: `msg_${hold.job}`, body }, options);
      }),
    wait: async (delayMs, number) => {
      await step.do(`webhook wait ${number}`, bounds, () => notices.keep(hold, delayMs));
      await step.sleep(`webhook sleep ${number}`, delayMs);
    },
  });
  await step.do('webhook end', bounds, async () => {
    const { delivered, attempts, reason } = delivery;
    if (!delivered) log('warn', 'screening.webhook_undelivered', { job: hold.job, attempts, reason });
    return notices.end(hold, delivered ? 'delivered' : 'undelivered');
  });
}

function payloadOf({ id, state, updatedAt: timestamp, request, ...job }: StoredJob): WebhookPayload {
  const { model } = request;
  if (state === 'completed') {
    const data = {
      id,
      model,
      dataset_digest: job.datasetDigest!,
      examples: job.examples!,
      poisoned: [...job.poisoned!],
      suspects: job.suspects!,
    };
    return { type: 'screening.completed', timestamp, data };
  }
  if (state === 'failed')
    return { type: 'screening.failed', timestamp, data: { id, model, failure: job.failure! } };
  return { type: 'screening.cancelled', timestamp, data: { id, model } };
}
