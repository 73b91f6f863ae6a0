// The edge's entry in workerd: wires the bindings to the app, once an isolate.
import { asGuardError } from '../shared/errors.ts';
import { log } from '../shared/log.ts';
import { problemResponse } from '../shared/problem-response.ts';
import { createApp } from './app.ts';
import type { WaitUntil } from './bindings.ts';
import { parseConfig } from './config.ts';
import { createDependencies } from './dependencies.ts';
import type { App } from './routes/app-env.ts';

interface ExecutionContext {
  waitUntil: WaitUntil;
  passThroughOnException(): void;
  props: unknown;
}

let app: App | undefined;

export default {
  async fetch(request: Request, env: Record<string, unknown>, context: ExecutionContext): Promise<Response> {
    try {
      // A value, not a promise: a promise of one request must not be awaited by another that outlives it.
      app ??= createApp(await createDependencies(parseConfig(env)));
    } catch (thrown) {
      const error = asGuardError(thrown);
      log('error', 'edge.start_failure', { error });
      return problemResponse(error);
    }
    return app.fetch(request, env, context);
  },
};
