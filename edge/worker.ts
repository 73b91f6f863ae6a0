// The edge's entry in workerd: wires the bindings to the app and to the Workflow of screenings, once an isolate.
import { DurableObject, WorkflowEntrypoint } from 'cloudflare:workers';
import dashboard from '../dist/dashboard/browser.json' with { type: 'json' };
import { asGuardError } from '../shared/errors.ts';
import { log } from '../shared/log.ts';
import { problemResponse } from '../shared/problem-response.ts';
import { createApp } from './app.ts';
import type { QueryCall, WaitUntil, WorkflowStep } from './bindings.ts';
import { artefactStore } from './clients/artefact-store.ts';
import { auditFigures } from './clients/audit-figures.ts';
import { auditStore } from './clients/audit-store.ts';
import { type QueryHistoryState, queryHistory } from './clients/query-history.ts';
import { type JobHoldParams, parseConfig } from './config.ts';
import { createDependencies, createScreeningServices } from './dependencies.ts';
import { keepAudit } from './guard/keep-audit.ts';
import { watchDrift } from './guard/model-drift.ts';
import type { App } from './routes/app-env.ts';
import type { ScreeningServices } from './screening/screening-services.ts';
import { runScreening } from './screening/screening-workflow.ts';
import { sweepJobs } from './screening/take-over.ts';

interface ExecutionContext {
  waitUntil: WaitUntil;
  passThroughOnException(): void;
  props: unknown;
}

type Env = Record<string, unknown>;

let app: App | undefined;
let services: ScreeningServices | undefined;

export default {
  async fetch(request: Request, env: Env, context: ExecutionContext): Promise<Response> {
    try {
      // A value, not a promise: a promise of one request must not be awaited by another that outlives it.
      app ??= createApp(await createDependencies(parseConfig(env), dashboard));
    } catch (thrown) {
      const error = asGuardError(thrown);
      log('error', 'edge.start_failure', { error });
      return problemResponse(error);
    }
    return app.fetch(request, env, context);
  },

  /** Every minute: screenings whose run has died are taken up again, verdicts that are too old are deleted, and scores are compared. */
  async scheduled(_event: unknown, env: Env): Promise<void> {
    const config = parseConfig(env);
    services ??= await createScreeningServices(config);
    const { database, artefacts } = config.bindings;
    const audit = auditStore(database, () => undefined);
    const figures = auditFigures(database);
    const detectors = {
      artefacts: await artefactStore(artefacts, { publicKey: config.artefactPublicKey }),
      figures,
    };
    // None waits for another, nor fails with it.
    const done = await Promise.allSettled([
      sweepJobs(services),
      keepAudit(config.auditRetentionDays, { audit }),
      watchDrift(config.models.values(), detectors),
    ]);
    for (const one of done)
      if (one.status === 'rejected') log('error', 'edge.cron_failure', { cause: one.reason });
  },
};

/** A run of a screening job. */
export class ScreeningWorkflow extends WorkflowEntrypoint<Env> {
  async run({ payload }: { readonly payload: JobHoldParams }, step: WorkflowStep): Promise<void> {
    services ??= await createScreeningServices(parseConfig(this.env));
    await runScreening(payload, { step, services });
  }
}

/** What one caller asked of one model of late. */
export class QueryHistory extends DurableObject<Env> {
  private readonly history: QueryHistoryState = queryHistory(this.ctx.storage);

  compare(call: QueryCall): readonly number[] {
    return this.history.compare(call);
  }

  alarm(): Promise<void> {
    return this.history.forget();
  }
}
