// Many requests to a guarded edge, and what became of each.
import { problemSchema } from '../../shared/problem-response.ts';
import type { GuardedEdge } from './guarded-edge.ts';

/** What became of one request. */
export interface Sent {
  readonly status: number;
  /** Code of a problem; undefined where the upstream answered. */
  readonly code: string | undefined;
  readonly verdict: string | null;
  readonly verdictId: string | null;
  readonly retryAfter: string | null;
  /** Whether the answer broke off before its end. */
  readonly broken: boolean;
  /** Milliseconds from sending to the beginning of the answer, and to its end. */
  readonly began: number;
  readonly took: number;
}

/** What is sent. */
export interface Load {
  readonly mode: string;
  readonly count: number;
  /** Requests under way at once; all of them where it is not given. */
  readonly connections?: number;
  readonly body?: string;
  readonly headers?: Record<string, string>;
}

/** Sends requests; fails where one of them gets no answer at all. */
export async function sendLoad(
  guarded: Pick<GuardedEdge, 'infer'>,
  { mode, count, connections = count, body, headers }: Load,
): Promise<Sent[]> {
  const sent: Sent[] = [];
  let left = count;
  const connection = async () => {
    while (left > 0) {
      left--;
      const startedAt = performance.now();
      const answer = await guarded.infer(mode, body, headers);
      const began = performance.now() - startedAt;
      const text = await answer.text().catch(() => undefined);
      const problem = text !== undefined && answer.headers.get('content-type') === 'application/problem+json';
      sent.push({
        status: answer.status,
        code: problem ? problemSchema.parse(JSON.parse(text)).code : undefined,
        verdict: answer.headers.get('x-guard-verdict'),
        verdictId: answer.headers.get('x-guard-verdict-id'),
        retryAfter: answer.headers.get('retry-after'),
        broken: text === undefined,
        began,
        took: performance.now() - startedAt,
      });
    }
  };
  await Promise.all(Array.from({ length: Math.min(connections, count) }, connection));
  return sent;
}

/** A verdict as the audit's row has it. */
export interface AuditRow {
  readonly id: string;
  readonly verdict: string;
  readonly failure: string | null;
  readonly score: number | null;
  readonly body: string;
}

/** Waits until every one of these has its row, and gives the rows. */
export async function auditRows(
  { edge }: Pick<GuardedEdge, 'edge'>,
  ids: readonly (string | null)[],
): Promise<AuditRow[]> {
  const wanted = JSON.stringify(ids);
  const sql =
    'SELECT id, verdict, failure, score, body FROM verdicts WHERE id IN (SELECT value FROM json_each(?))';
  for (let attempt = 0; ; attempt++) {
    const [rows] = await edge.storage.run<AuditRow>({ sql, values: [wanted] });
    if (rows.length === ids.length) return [...rows];
    if (attempt === 150) throw new Error(`${rows.length} of ${ids.length} verdicts reached the audit`);
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
}
