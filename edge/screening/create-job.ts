// Making a job: once for each idempotency key.
import canonicalize from 'canonicalize';
import type { ScreeningRequest } from '../../shared/contracts/screening-job.ts';
import { GuardError } from '../../shared/errors.ts';
import { sha256Digest } from '../../shared/noise/noise-key.ts';
import { jobId } from './job-id.ts';
import type { JobStore, StoredJob } from './job-store.ts';

/**
 * Makes a job, or gives the one that the key has made already.
 * @throws GuardError `conflict` where the key was used with another request
 */
export async function createJob(
  jobs: JobStore,
  { idempotencyKey, request }: { idempotencyKey: string; request: ScreeningRequest },
): Promise<StoredJob> {
  const requestDigest = await sha256Digest(new TextEncoder().encode(canonicalize(request)));
  await jobs.create({ id: jobId(), idempotencyKey, requestDigest, request });
  const job = await jobs.readByKey(idempotencyKey);
  if (job?.requestDigest === requestDigest) return job;
  throw new GuardError('conflict', 'this idempotency key was used with another request');
}
