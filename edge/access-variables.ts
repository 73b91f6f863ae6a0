// The variables that say whose credentials are believed, and how often they may be used: a part of the edge's configuration.
import { z } from 'zod';
import { type RateTier, rateTiers } from '../shared/contracts/api-key.ts';
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
  for (const tier of rateTiers) {
    const name = bindingName(tier);
    const isBound = values[name] !== undefined;
    if (isBound && RATE_LIMITS[tier] === undefined) refuse('RATE_LIMITS', `says nothing of ${name}`);
    if (!isBound && RATE_LIMITS[tier] !== undefined) refuse(name, 'must be a rate limit');
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
  };
}

function bindingName<Tier extends RateTier>(tier: Tier): `RATE_LIMIT_${Uppercase<Tier>}` {
  return `RATE_LIMIT_${tier.toUpperCase() as Uppercase<Tier>}`;
}
