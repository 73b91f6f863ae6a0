// A verdict as a Detection Finding of OCSF, for whoever collects what all security controls say.
import { type DetectionFinding, ocsfVersion } from '../../shared/contracts/ocsf.ts';
import type { Verdict, VerdictKind } from '../../shared/contracts/verdict.ts';
import type { AuditEntry } from '../clients/audit-store.ts';

/** Severity by what was found: a refusal is high, what nobody could judge is not nothing. */
const severities: Readonly<Record<VerdictKind, DetectionFinding['severity_id']>> = {
  allow: 1,
  not_scored: 2,
  flag: 3,
  error: 3,
  block: 4,
};

const titles: Readonly<Record<VerdictKind, string>> = {
  allow: 'Input taken for a clean one',
  flag: 'Input flagged as a possible adversarial example',
  block: 'Input taken for an adversarial example',
  not_scored: 'Input not scored',
  error: 'Input could not be scored',
};

/** Names of the MITRE ATLAS techniques that verdicts speak of. */
const techniqueNames: Readonly<Record<string, string>> = {
  'AML.T0015': 'Evade AI Model',
  'AML.T0020': 'Poison Training Data',
  'AML.T0024': 'Exfiltration via AI Inference API',
  'AML.T0043': 'Craft Adversarial Data',
  'AML.T0043.001': 'Black-Box Optimization',
  'AML.T0043.004': 'Insert Backdoor Trigger',
};

/** What a line says beside its entry. */
export interface FindingContext {
  readonly product: { readonly name: string; readonly version: string };
  /** Resumes the export behind this line. */
  readonly cursor: string;
}

/** Writes one entry as a finding. */
export function ocsfFinding(
  { verdict, model, requestDigest, principal }: AuditEntry,
  { product, cursor }: FindingContext,
): DetectionFinding {
  const { detector, policy } = verdict;
  const time = Date.parse(verdict.at);
  const attacks = verdict.taxonomy.map(attackOf);
  return {
    class_uid: 2004,
    class_name: 'Detection Finding',
    category_uid: 2,
    category_name: 'Findings',
    activity_id: 1,
    type_uid: 200_401,
    severity_id: severities[verdict.verdict],
    status_id: 1,
    time,
    message: `${titles[verdict.verdict]}: model ${model}, mode ${verdict.mode}`,
    is_alert: verdict.verdict === 'block' || verdict.verdict === 'flag',
    ...outcomeOf(verdict),
    metadata: {
      version: ocsfVersion,
      product: { name: product.name, vendor_name: product.name, version: product.version },
      uid: verdict.id,
      profiles: ['security_control'],
      ...(verdict.trace_id !== null && { correlation_uid: verdict.trace_id }),
    },
    finding_info: {
      uid: verdict.id,
      title: titles[verdict.verdict],
      created_time: time,
      ...(verdict.reasons.length > 0 && { types: verdict.reasons }),
      ...(detector !== null && {
        analytic: {
          type_id: 4,
          name: detector.name,
          uid: detector.artefact,
          version: detector.version,
        },
      }),
      ...(attacks.length > 0 && { attacks }),
    },
    // The profile of a security control has them beside the finding too.
    ...(attacks.length > 0 && { attacks }),
    policy: { uid: policy.id, version: String(policy.version) },
    resources: [{ type: 'AI model', name: model, ...(detector !== null && { uid: detector.model_digest }) }],
    unmapped: { verdict, request_digest: requestDigest, principal, cursor },
  };
}

/**
 * What became of the request: Denied and Blocked; Modified and Corrected where rows were cut out and the rest was answered; Allowed,
 * with No Action where a policy let pass what nobody could judge; or Observed, with Detected or Logged.
 */
function outcomeOf({
  verdict,
  mode,
  enforced,
  failure,
  rows_cut: cut,
}: Verdict): Pick<DetectionFinding, 'action_id' | 'disposition_id'> {
  if (cut !== undefined) return { action_id: 4, disposition_id: 11 };
  if (enforced) return { action_id: 2, disposition_id: 2 };
  if (verdict === 'block' || verdict === 'flag') return { action_id: 3, disposition_id: 15 };
  if (verdict === 'allow' && mode === 'enforce') return { action_id: 1, disposition_id: 1 };
  if (failure !== null && mode === 'enforce') return { action_id: 1, disposition_id: 16 };
  return { action_id: 3, disposition_id: 17 };
}

/** A technique has one number, a sub-technique one more behind a point. */
function attackOf(uid: string): NonNullable<DetectionFinding['attacks']>[number] {
  const entry = (id: string) => ({
    uid: id,
    ...(Object.hasOwn(techniqueNames, id) && { name: techniqueNames[id] }),
  });
  const [, technique] = /^(.*\.T\d{4})\.\d{3}$/.exec(uid) ?? [];
  if (technique === undefined) return { technique: entry(uid) };
  return { technique: entry(technique), sub_technique: entry(uid) };
}
