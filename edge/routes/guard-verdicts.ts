// A verdict without forwarding, for whoever does the forwarding itself.

import { createRoute, z } from '@hono/zod-openapi';
import { verdictSchema } from '../../shared/contracts/verdict.ts';
import { GuardError } from '../../shared/errors.ts';
import { hasScope } from '../access/principal.ts';
import { judgeInput } from '../guard/judge-input.ts';
import { receiveInput } from '../guard/receive-input.ts';
import { recordVerdict } from '../guard/record-verdict.ts';
import { toldVerdict } from '../guard/told-verdict.ts';
import { verdictId } from '../guard/verdict-id.ts';
import type { App, RouteDependencies } from './app-env.ts';
import { inferenceBody, inferenceHeaders } from './infer.ts';
import { guardErrors, problemAnswers } from './problem-answers.ts';
import { findModel, receiveBody } from './receive-body.ts';

/** Adds the route. An input that cannot be scored is answered as a problem: nothing but a verdict may read as one. */
export function addGuardVerdictsRoute(app: App, dependencies: RouteDependencies): void {
  const { services } = dependencies;
  app.openAPIRegistry.registerPath(
    createRoute({
      method: 'post',
      path: '/v1/guard/verdicts',
      request: { query: z.object({ model: z.string() }), headers: inferenceHeaders, body: inferenceBody },
      responses: {
        200: {
          description: 'What the score of this input means.',
          content: { 'application/json': { schema: verdictSchema } },
        },
        ...problemAnswers(...guardErrors, 'forbidden'),
      },
    }),
  );
  app.post('/v1/guard/verdicts', async (context) => {
    const name = context.req.query('model');
    if (name === undefined) throw new GuardError('malformed_request', 'the query names no model');
    const model = await findModel(context, dependencies, name);
    const trail = context.get('trail');
    trail.mode = model.policy.mode;
    const waitUntil = (work: Promise<unknown>) => context.executionCtx.waitUntil(work);
    const request = {
      model,
      headers: context.req.raw.headers,
      requestId: context.get('requestId'),
      trace: context.get('trace'),
      principal: context.get('principal').id,
      enforces: false,
    };
    const receive = () => receiveBody(context);
    const received = await receiveInput({ ...request, receive }, { services, trail, waitUntil });
    const judged = { ...request, ...received, verdictId: verdictId() };
    trail.verdictId = judged.verdictId;
    const judging = judgeInput(judged, services);
    // Asked for before the verdict is there: a client that goes away takes with it what nothing waits for.
    waitUntil(judging.then((judgement) => recordVerdict(judgement, judged, services)));
    const judgement = await judging;
    trail.verdict = judgement.verdict.verdict;
    if (judgement.error !== undefined) throw judgement.error;
    const { verdict } = judgement;
    const isOperator = hasScope(context.get('principal'), 'admin');
    return context.json(isOperator ? verdict : toldVerdict(verdict, model.policy), 200);
  });
}
