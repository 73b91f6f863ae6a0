// The life of a policy: a draft, its publishing as the next version, and the way back to an old one.
import {
  defaultPolicy,
  type Policy,
  type PolicyState,
  type PolicyVersion,
} from '../../shared/contracts/policy.ts';
import { GuardError } from '../../shared/errors.ts';
import type { ConfiguredModel } from '../model-variables.ts';
import type { GuardServices } from './guard-services.ts';
import { requireEnforceable } from './require-enforceable.ts';

/** Who works on which policy. */
export interface PolicyWork {
  readonly model: ConfiguredModel;
  /** Id of their credentials. */
  readonly by: string;
  /** Header `If-Match`: which state they have seen. */
  readonly ifMatch: string | undefined;
}

type Services = Pick<GuardServices, 'policyStore'>;

/** Version 0: what the configuration says. */
export function configuredVersion({ name, mode }: ConfiguredModel): PolicyVersion {
  return {
    model: name,
    version: 0,
    policy: defaultPolicy(mode),
    published_at: null,
    published_by: null,
    restored_from: null,
  };
}

/** @throws GuardError `not_found` where there is no such version */
export async function policyVersion(
  model: ConfiguredModel,
  version: number,
  { policyStore }: Services,
): Promise<PolicyVersion> {
  const found = version === 0 ? configuredVersion(model) : await policyStore.version(model.name, version);
  if (found === undefined) throw new GuardError('not_found', 'there is no such version of this policy');
  return found;
}

/** The policy as it stands, and the entity tag of this state. */
export async function policyState(
  { model }: Pick<PolicyWork, 'model'>,
  { policyStore }: Services,
): Promise<{ readonly state: PolicyState; readonly etag: string }> {
  // The draft is read first: what is published meanwhile then makes the tag too old, never too new.
  const { draft, revision } = await policyStore.readDraft(model.name);
  const current = (await policyStore.latest(model.name)) ?? configuredVersion(model);
  return { state: { model: model.name, current, draft }, etag: tagOf(revision) };
}

/**
 * Saves a draft in place of the one that is there.
 * @throws GuardError `precondition_failed` where the state is another than they have seen; `precondition_required` where a draft is
 *   there and they do not say that they have seen it
 */
export async function saveDraft(
  { model, by, ifMatch }: PolicyWork,
  policy: Policy,
  { policyStore }: Services,
): Promise<void> {
  const { draft, revision } = await policyStore.readDraft(model.name);
  requireMatch(ifMatch, revision);
  if (ifMatch === undefined && draft !== null) {
    const detail = 'there is a draft already; If-Match with its ETag says that it has been seen';
    throw new GuardError('precondition_required', detail);
  }
  const saved = await policyStore.saveDraft({ model: model.name, revision, by }, policy);
  if (!saved) throw changedMeanwhile();
}

/**
 * Publishes the draft as the next version.
 * @throws GuardError `conflict` where there is no draft, or it enforces what no detector can judge; `precondition_failed`
 */
export async function publishDraft(
  { model, by, ifMatch }: PolicyWork,
  services: GuardServices,
): Promise<PolicyVersion> {
  const { policyStore } = services;
  const { draft, revision } = await policyStore.readDraft(model.name);
  requireMatch(ifMatch, revision);
  if (draft === null) throw new GuardError('conflict', 'there is no draft to publish');
  if (draft.policy.mode === 'enforce') await requireEnforceable(model, services);
  const version = await policyStore.publish({ model: model.name, revision, by });
  return published(model, version, services);
}

/**
 * Publishes the policy of an old version again, under a new number.
 * @throws GuardError `not_found`, or as `publishDraft` does
 */
export async function restoreVersion(
  { model, by, ifMatch }: PolicyWork,
  version: number,
  services: GuardServices,
): Promise<PolicyVersion> {
  const { policyStore } = services;
  const { revision } = await policyStore.readDraft(model.name);
  requireMatch(ifMatch, revision);
  const old = await policyVersion(model, version, services);
  if (old.policy.mode === 'enforce') await requireEnforceable(model, services);
  const restored = await policyStore.restore({ model: model.name, revision, by }, old);
  return published(model, restored, services);
}

async function published(
  model: ConfiguredModel,
  version: number | undefined,
  services: GuardServices,
): Promise<PolicyVersion> {
  if (version === undefined) throw changedMeanwhile();
  const found = await policyVersion(model, version, services);
  services.policies.published(found);
  return found;
}

/** Tags of this state and no other: every change of a policy counts on (RFC 9110, section 8.8.3). */
function tagOf(revision: number): string {
  return `"r${revision}"`;
}

function requireMatch(ifMatch: string | undefined, revision: number): void {
  if (ifMatch === undefined || ifMatch.trim() === '*') return;
  const tags = ifMatch.split(',').map((tag) => tag.trim());
  if (!tags.includes(tagOf(revision))) throw changedMeanwhile();
}

function changedMeanwhile(): GuardError {
  return new GuardError('precondition_failed', 'the policy was changed meanwhile; read it again');
}
