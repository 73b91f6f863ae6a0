// The edge's HTTP application: middleware, routes, and the one exit for errors.
import { OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { methodNotAllowed } from 'hono/method-not-allowed';
import { asGuardError, GuardError } from '../shared/errors.ts';
import { log } from '../shared/log.ts';
import { problemResponse } from '../shared/problem-response.ts';
import { authorize } from './access/authorize.ts';
import { receiveRequestId, receiveTrace } from './clients/trace-context.ts';
import { addDashboardRoutes } from './dashboard/dashboard-routes.ts';
import type { Dependencies } from './dependencies.ts';
import type { GuardTrail } from './guard/guard-inference.ts';
import type { App, AppEnv } from './routes/app-env.ts';
import { addDetectorsRoute } from './routes/detectors.ts';
import { addGuardVerdictsRoute } from './routes/guard-verdicts.ts';
import { addHealthRoutes } from './routes/health.ts';
import { addInferRoutes } from './routes/infer.ts';
import { addKeyRoutes } from './routes/keys.ts';
import { addMetadataRoutes } from './routes/metadata.ts';
import { addMetricsRoute } from './routes/metrics.ts';
import { addModelDriftRoute } from './routes/model-drift.ts';
import { addOpenapiRoute } from './routes/openapi.ts';
import { addPolicyRoutes } from './routes/policies.ts';
import { addPredictRoutes, isTensorFlowServing } from './routes/predict.ts';
import { addRobustnessRoutes } from './routes/robustness-reports.ts';
import { addScreeningEventsRoute } from './routes/screening-events.ts';
import { addScreeningReportRoutes } from './routes/screening-reports.ts';
import { addScreeningUploadRoutes } from './routes/screening-uploads.ts';
import { addScreeningRoutes } from './routes/screenings.ts';
import { addVerdictRoutes } from './routes/verdicts.ts';

/** Makes the application. */
export function createApp(dependencies: Dependencies): App {
  const { services } = dependencies;
  const app: App = new OpenAPIHono<AppEnv>({ strict: true });
  app.use(async (context, next) => {
    const { headers: received } = context.req.raw;
    const requestId = receiveRequestId(received);
    const trail: GuardTrail = {};
    context.set('requestId', requestId);
    context.set('trail', trail);
    context.set('trace', receiveTrace(received));
    await next();
    const { mode, verdict, verdictId } = trail;
    const { headers } = context.res;
    headers.set('x-request-id', requestId);
    if (mode !== undefined) headers.set('x-guard-mode', mode);
    if (verdict !== undefined) headers.set('x-guard-verdict', verdict);
    if (verdictId !== undefined) headers.set('x-guard-verdict-id', verdictId);
  });
  app.use(authorize(dependencies));
  addHealthRoutes(app, dependencies);
  addMetadataRoutes(app, dependencies);
  addInferRoutes(app, dependencies);
  addPredictRoutes(app, dependencies);
  addGuardVerdictsRoute(app, dependencies);
  addVerdictRoutes(app, dependencies);
  addPolicyRoutes(app, dependencies);
  addScreeningRoutes(app, dependencies);
  addScreeningUploadRoutes(app, dependencies);
  addScreeningEventsRoute(app, dependencies);
  addScreeningReportRoutes(app, dependencies);
  addKeyRoutes(app, dependencies);
  addModelDriftRoute(app, dependencies);
  addDetectorsRoute(app, dependencies);
  addRobustnessRoutes(app, dependencies);
  addMetricsRoute(app, dependencies);
  addOpenapiRoute(app);
  addDashboardRoutes(app, dependencies);
  const refuse = (context: Context<AppEnv>, error: GuardError) => {
    services.metrics.rejected.inc({ reason: error.code });
    return answerProblem(context, error);
  };
  // Asked where no route was found, not as a middleware: every request would pass it.
  const refuseMethod = methodNotAllowed({
    app,
    onMethodNotAllowed: (context: Context<AppEnv>, methods) => {
      const allow = methods.join(', ');
      const detail = `${context.req.method}; allowed: ${allow}`;
      return refuse(context, new GuardError('method_not_allowed', detail, { headers: { allow } }));
    },
  });
  app.notFound(async (context) => {
    const unmade = new Response(null, { status: 404 });
    context.res = unmade;
    await refuseMethod(context, () => Promise.resolve());
    if (context.res === unmade) {
      context.res = refuse(context, new GuardError('not_found', 'there is no such route'));
    }
    return context.res;
  });
  app.onError((thrown, context) => {
    const error = asGuardError(thrown);
    services.metrics.rejected.inc({ reason: error.code });
    const requestId = context.get('requestId');
    if (error.status === 500) {
      log('error', 'request.failure', {
        request_id: requestId,
        trace_id: context.get('trace')?.traceId,
        error,
      });
    }
    return answerProblem(context, error);
  });
  return app;
}

/** Answers an error as the clients of its route read one. */
function answerProblem(context: Context<AppEnv>, error: GuardError): Response {
  const { verdictId } = context.get('trail') ?? {};
  return problemResponse(error, {
    requestId: context.get('requestId'),
    ...(verdictId === undefined ? {} : { verdictId }),
    ...(isTensorFlowServing(context.req.path) ? { mediaType: 'application/json' } : {}),
  });
}
