// API keys: what they may do, how they are asked for, and how they are told of; a key itself is told once.
import { z } from 'zod';
import { apiKeyModelsMax, apiKeyNameCharactersMax } from '../limits.ts';
import { nameSchema } from './inference.ts';

/** What a principal may do: `infer` asks models, `verdict` asks the guard, `screen` screens training data, `admin` does everything. */
export const scopes = ['infer', 'verdict', 'screen', 'admin'] as const;
export type Scope = (typeof scopes)[number];

/** Limits that a key can name: each is one binding of the platform, whose figures are the deployment's. */
export const rateTiers = ['small', 'medium', 'large'] as const;
export type RateTier = (typeof rateTiers)[number];

const scopesSchema = z
  .array(z.enum(scopes))
  .min(1)
  .max(scopes.length)
  .refine((list) => new Set(list).size === list.length, 'names a scope twice');

const modelsSchema = z
  .array(nameSchema)
  .min(1)
  .max(apiKeyModelsMax)
  .refine((list) => new Set(list).size === list.length, 'names a model twice');

/** What a key is made from. */
export const apiKeyRequestSchema = z
  .strictObject({
    name: z.string().trim().min(1).max(apiKeyNameCharactersMax).describe('Whose key it is, for people.'),
    scopes: scopesSchema,
    models: modelsSchema.nullable().default(null).describe('The only models that it is for; null for all.'),
    rate_limit: z.enum(rateTiers).nullable().default(null).describe('Null for no limit.'),
    expires_at: z.iso.datetime().nullable().default(null).describe('Null for a key that does not expire.'),
  })
  .refine(({ scopes: list, models }) => models === null || !list.includes('admin'), {
    path: ['models'],
    message: 'a key with the scope admin is for all models',
  });

/** What is told of a key. */
export const apiKeySchema = z.object({
  id: z.string().describe('Also the principal in audit entries.'),
  name: z.string(),
  scopes: z.array(z.enum(scopes)),
  models: z.array(z.string()).nullable(),
  rate_limit: z.enum(rateTiers).nullable(),
  created_at: z.iso.datetime(),
  created_by: z.string().describe('The principal that made it.'),
  expires_at: z.iso.datetime().nullable(),
  revoked_at: z.iso.datetime().nullable(),
});

/** A new key: the only answer that has the key itself. */
export const newApiKeySchema = apiKeySchema.extend({
  key: z.string().describe('Shown this once; only a digest of it is kept.'),
});

/** One page of the list of keys. */
export const apiKeyListSchema = z.object({
  keys: z.array(apiKeySchema),
  next_cursor: z.string().nullable(),
});

/** What a caller learns of itself. */
export const principalSchema = z.object({
  id: z.string(),
  name: z.string().nullable(),
  scopes: z.array(z.enum(scopes)),
  models: z.array(z.string()).nullable(),
  rate_limit: z.enum(rateTiers).nullable(),
  expires_at: z.iso.datetime().nullable(),
});

export type ApiKeyRequest = z.infer<typeof apiKeyRequestSchema>;
export type ApiKey = z.infer<typeof apiKeySchema>;
