// What the application gives its routes: their types, their variables and what they are made of.
import type { OpenAPIHono } from '@hono/zod-openapi';
import type { Access } from '../access/identify.ts';
import type { Principal } from '../access/principal.ts';
import type { RateLimits } from '../access/rate-limits.ts';
import type { RateLimitFailure } from '../access-variables.ts';
import type { RobustnessStore } from '../clients/robustness-store.ts';
import type { TraceContext } from '../clients/trace-context.ts';
import type { GuardTrail } from '../guard/guard-inference.ts';
import type { GuardServices } from '../guard/guard-services.ts';
import type { ConfiguredModel } from '../model-variables.ts';
import type { ScreeningServices } from '../screening/screening-services.ts';

/** Variables of one request. */
export interface AppEnv {
  Variables: {
    requestId: string;
    trail: GuardTrail;
    trace: TraceContext;
    /** Who calls; not there on the open routes. */
    principal: Principal;
  };
}

/** The application's type, with the OpenAPI registry of its routes. */
export type App = OpenAPIHono<AppEnv>;

/** What the routes are given. */
export interface RouteDependencies {
  readonly models: ReadonlyMap<string, ConfiguredModel>;
  /** The dashboard's browser code by file name, a file a page. */
  readonly dashboard: Readonly<Record<string, string>>;
  readonly access: Access;
  readonly rateLimits: RateLimits;
  readonly rateLimitFailure: RateLimitFailure;
  readonly services: GuardServices;
  readonly screening: ScreeningServices;
  readonly robustness: RobustnessStore;
}
