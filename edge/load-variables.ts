// The variables that say how much one isolate takes on: a part of the edge's configuration.
import { z } from 'zod';

/** What one isolate takes on, and when it stops asking a neighbour. */
export interface LoadBounds {
  /** Calls within ten seconds without which no circuit breaker opens. */
  readonly breakerCallsMin: number;
  /** Verdicts that callers wait for at once. */
  readonly pendingVerdictsMax: number;
  /** Verdicts of mode shadow under way at once, from the arrival of their requests. */
  readonly pendingShadowMax: number;
  /** Share of the time that scorings of mode shadow take where traffic leaves no pause, in percent. */
  readonly shadowSharePercent: number;
  /** Share of the requests that the detector Worker scores too, in percent. */
  readonly detectorCheckPercent: number;
}

/** A number of things as an environment variable holds it. */
const countSchema = z
  .union([z.string().regex(/^\d{1,7}$/), z.number()])
  .transform(Number)
  .pipe(z.int().min(1).max(1_000_000));

/** A share of at least one in a hundred as an environment variable holds it. */
const percentSchema = z
  .union([z.string().regex(/^\d{1,3}$/), z.number()])
  .transform(Number)
  .pipe(z.int().min(1).max(100));

/** The variables, as an environment holds them. */
export const loadVariables = {
  BREAKER_CALLS_MIN: countSchema.default(20),
  PENDING_VERDICTS_MAX: countSchema.default(128),
  PENDING_SHADOW_MAX: countSchema.default(64),
  SHADOW_SHARE_PERCENT: percentSchema.default(5),
  DETECTOR_CHECK_PERCENT: percentSchema.default(5),
};

/** What they come to. */
export function loadBounds(values: z.output<z.ZodObject<typeof loadVariables>>): LoadBounds {
  return {
    breakerCallsMin: values.BREAKER_CALLS_MIN,
    pendingVerdictsMax: values.PENDING_VERDICTS_MAX,
    pendingShadowMax: values.PENDING_SHADOW_MAX,
    shadowSharePercent: values.SHADOW_SHARE_PERCENT,
    detectorCheckPercent: values.DETECTOR_CHECK_PERCENT,
  };
}
