// The variables that say whose credentials are believed, and how often they may be used: a part of the edge's configuration.
import { z } from 'zod';
import { type RateTier, rateTiers, type Scope, scopes } from '../shared/contracts/api-key.ts';
import type { RateLimitBinding } from './bindings.ts';

/** Whose credentials are believed. */
export interface AccessConfig {
  /** Whether callers must show any. */
  readonly required: boolean;
  /** Bearer token of the callers; undefined where each has a key of its own, or none is asked for. */
  readonly apiToken: string | undefined;
  /** Bearer token of the operators; undefined where every caller is one. */
  readonly operatorToken: string | undefined;
  readonly rateLimits: ReadonlyMap<RateTier, RateLimitConfig>;
  /** The limit of callers that have no key to name one. */
  readonly callerLimits: CallerLimits;
  /** What becomes of a request that cannot be counted. */
  readonly rateLimitFailure: RateLimitFailure;
  /** Undefined where no OpenID provider is believed. */
  readonly oidc: OidcConfig | undefined;
}

/** Callers without a key of their own, by how they show who they are. */
export const callerKinds = ['oidc', 'api_token', 'anonymous'] as const;

/** Limits by kind of caller; none where it is not named. Operators' own token has none. */
export type CallerLimits = Readonly<Partial<Record<(typeof callerKinds)[number], RateTier | undefined>>>;

/** A limit protects what is behind it from too much, not from the wrong: without its count requests may pass. */
export const rateLimitFailures = ['pass', 'refuse'] as const;
export type RateLimitFailure = (typeof rateLimitFailures)[number];

/** Signatures that are believed: never `none`, and none with a secret, since the provider's keys are public. */
export const tokenAlgorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
] as const;

/** Which tokens of an OpenID provider are believed, and what they may do. */
export interface OidcConfig {
  readonly issuer: string;
  readonly audience: string;
  readonly jwksUrl: URL;
  readonly algorithms: readonly (typeof tokenAlgorithms)[number][];
  /** Seconds by which the provider's clock may differ. */
  readonly clockSkewSeconds: number;
  /** Name of the claim that says what its holder may do, or a JSON pointer to it. */
  readonly scopesClaim: string;
  /** What each word of that claim gives. */
  readonly scopeMap: ReadonlyMap<string, readonly Scope[]>;
}

/** One limit that keys can name. */
export interface RateLimitConfig {
  readonly limit: number;
  readonly windowSeconds: number;
  readonly binding: RateLimitBinding;
}

const tokenSchema = z.string().min(16).max(4096);

/** The platform counts in windows of these alone. */
const windowSchema = z.union([z.literal(10), z.literal(60)]);

const rateLimitsSchema = z.partialRecord(
  z.enum(rateTiers),
  z.strictObject({ limit: z.int().min(1), period: windowSchema }),
);

const limitBindingSchema = z.custom<RateLimitBinding>(
  (value) => typeof value === 'object' && value !== null,
  'must be a rate limit',
);

/** Over plain http nobody knows whose keys they are, but on one machine. */
const jwksUrlSchema = z
  .url({ protocol: /^https?$/ })
  .transform((text) => new URL(text))
  .refine(
    ({ protocol, hostname }) =>
      protocol === 'https:' || ['127.0.0.1', 'localhost', '[::1]'].includes(hostname),
    'must be https',
  )
  .refine(({ username, hash }) => username === '' && hash === '', 'must be a plain address');

const algorithmsSchema = z
  .string()
  .transform((text) => text.split(/\s+/).filter((word) => word !== ''))
  .pipe(z.array(z.enum(tokenAlgorithms)).min(1));

const skewSchema = z
  .union([z.string().regex(/^\d{1,3}$/), z.number()])
  .transform(Number)
  .pipe(z.int().min(0).max(300));

/** Words that no other application of the provider gives by chance. */
const usualScopeMap = Object.fromEntries(scopes.map((scope) => [`nccr-guard:${scope}`, [scope]]));

/** Text of JSON as what it says. */
export const jsonText = z.string().transform((text, context): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    context.addIssue({ code: 'custom', message: 'is not JSON' });
    return z.NEVER;
  }
});

/** The variables and bindings by their names. */
export const accessVariables = {
  AUTH: z.enum(['token', 'none']).default('token'),
  API_TOKEN: tokenSchema.optional(),
  OPERATOR_TOKEN: tokenSchema.optional(),
  // A binding does not tell its own limit, which answers have to say.
  RATE_LIMITS: jsonText.pipe(rateLimitsSchema).default({}),
  CALLER_LIMITS: jsonText.pipe(z.partialRecord(z.enum(callerKinds), z.enum(rateTiers))).default({}),
  RATE_LIMIT_FAILURE: z.enum(rateLimitFailures).default('pass'),
  OIDC_ISSUER: z.string().min(1).max(2048).optional(),
  OIDC_AUDIENCE: z.string().min(1).max(2048).optional(),
  OIDC_JWKS_URL: jwksUrlSchema.optional(),
  OIDC_ALGORITHMS: algorithmsSchema.default(['RS256', 'ES256']),
  OIDC_CLOCK_SKEW_SECONDS: skewSchema.default(30),
  OIDC_SCOPES_CLAIM: z.string().min(1).max(256).default('scope'),
  OIDC_SCOPE_MAP: jsonText
    .pipe(z.record(z.string().min(1), z.array(z.enum(scopes)).min(1)))
    .default(usualScopeMap),
  RATE_LIMIT_SMALL: limitBindingSchema.optional(),
  RATE_LIMIT_MEDIUM: limitBindingSchema.optional(),
  RATE_LIMIT_LARGE: limitBindingSchema.optional(),
};

type AccessValues = z.infer<z.ZodObject<typeof accessVariables>>;

/** Says what does not go together. */
export function checkAccess(values: AccessValues, context: z.RefinementCtx): void {
  const refuse = (name: string, message: string) =>
    context.addIssue({ code: 'custom', path: [name], message });
  const { AUTH, API_TOKEN, OPERATOR_TOKEN, RATE_LIMITS } = values;
  if (AUTH === 'token' && API_TOKEN === undefined && OPERATOR_TOKEN === undefined) {
    refuse('API_TOKEN', 'this or OPERATOR_TOKEN is needed unless AUTH is none');
  }
  if (OPERATOR_TOKEN !== undefined && OPERATOR_TOKEN === API_TOKEN) {
    refuse('OPERATOR_TOKEN', 'must be another than API_TOKEN');
  }
  const provider = ['OIDC_ISSUER', 'OIDC_AUDIENCE', 'OIDC_JWKS_URL'] as const;
  const given = provider.filter((name) => values[name] !== undefined);
  if (given.length > 0) {
    if (AUTH === 'none') refuse(given[0], 'means nothing where AUTH is none');
    for (const name of provider) {
      if (values[name] === undefined) refuse(name, `is needed beside ${given[0]}`);
    }
  }
  for (const tier of rateTiers) {
    const name = bindingName(tier);
    const isBound = values[name] !== undefined;
    if (isBound && RATE_LIMITS[tier] === undefined) refuse('RATE_LIMITS', `says nothing of ${name}`);
    if (!isBound && RATE_LIMITS[tier] !== undefined) refuse(name, 'must be a rate limit');
  }
  for (const [kind, tier] of Object.entries(values.CALLER_LIMITS)) {
    if (RATE_LIMITS[tier] === undefined) refuse('CALLER_LIMITS', `${kind}: RATE_LIMITS has no ${tier}`);
  }
}

/** Reads off the checked variables. */
export function accessConfig(values: AccessValues): AccessConfig {
  const { AUTH, API_TOKEN, OPERATOR_TOKEN, RATE_LIMITS } = values;
  const rateLimits = new Map<RateTier, RateLimitConfig>();
  for (const tier of rateTiers) {
    const figures = RATE_LIMITS[tier];
    const binding = values[bindingName(tier)];
    if (figures !== undefined && binding !== undefined) {
      rateLimits.set(tier, { limit: figures.limit, windowSeconds: figures.period, binding });
    }
  }
  return {
    required: AUTH === 'token',
    apiToken: AUTH === 'none' ? undefined : API_TOKEN,
    operatorToken: OPERATOR_TOKEN,
    rateLimits,
    callerLimits: values.CALLER_LIMITS,
    rateLimitFailure: values.RATE_LIMIT_FAILURE,
    oidc: oidcConfig(values),
  };
}

function oidcConfig(values: AccessValues): OidcConfig | undefined {
  const { OIDC_ISSUER: issuer, OIDC_AUDIENCE: audience, OIDC_JWKS_URL: jwksUrl } = values;
  if (issuer === undefined || audience === undefined || jwksUrl === undefined) return undefined;
  return {
    issuer,
    audience,
    jwksUrl,
    algorithms: values.OIDC_ALGORITHMS,
    clockSkewSeconds: values.OIDC_CLOCK_SKEW_SECONDS,
    scopesClaim: values.OIDC_SCOPES_CLAIM,
    scopeMap: new Map(Object.entries(values.OIDC_SCOPE_MAP)),
  };
}

function bindingName<Tier extends RateTier>(tier: Tier): `RATE_LIMIT_${Uppercase<Tier>}` {
  return `RATE_LIMIT_${tier.toUpperCase() as Uppercase<Tier>}`;
}
