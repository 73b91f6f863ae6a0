// A verdict without forwarding, for whoever does the forwarding itself.

import { createRoute, z } from '@hono/zod-openapi';
import { verdictSchema } from '../../shared/contracts/verdict.ts';
import { GuardError } from '../../shared/errors.ts';
import { hasScope } from '../access/principal.ts';
import { decodeMedia } from '../guard/decode-media.ts';
import { judgeInput } from '../guard/judge-input.ts';
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
    const trace = context.get('trace');
    const received = { body: await receiveBody(context), headers: context.req.raw.headers };
    const judged = {
      verdictId: verdictId(),
      model,
      ...(await decodeMedia(received, { model, trace }, services)),
      requestId: context.get('requestId'),
      trace,
      principal: context.get('principal').id,
      enforces: false,
    };
    trail.mode = model.policy.mode;
    trail.verdictId = judged.verdictId;
    const judging = judgeInput(judged, services);
    // Asked for before the verdict is there: a client that goes away takes with it what nothing waits for.
    context.executionCtx.waitUntil(judging.then((judgement) => recordVerdict(judgement, judged, services)));
    const judgement = await judging;
    trail.verdict = judgement.verdict.verdict;
    if (judgement.error !== undefined) throw judgement.error;
    const { verdict } = judgement;
    const isOperator = hasScope(context.get('principal'), 'admin');
    return context.json(isOperator ? verdict : toldVerdict(verdict, model.policy), 200);
  });
}
