// Detection Finding of the Open Cybersecurity Schema Framework: class 2004 of schema 1.6.0, with the profile of a security control.
import { z } from 'zod';

/** The version of the schema that every exported line names. */
export const ocsfVersion = '1.6.0';

const classUid = 2004;

/** A technique or sub-technique of MITRE ATT&CK or ATLAS; one of both members at least. */
const techniqueSchema = z
  .strictObject({
    uid: z
      .string()
      .regex(/^(AML\.)?T\d{4}(\.\d{3})?$/)
      .optional(),
    name: z.string().min(1).optional(),
  })
  .refine(({ uid, name }) => uid !== undefined || name !== undefined, 'has neither uid nor name');

const attackSchema = z
  .strictObject({
    technique: techniqueSchema.optional(),
    sub_technique: techniqueSchema.optional(),
    version: z.string().optional(),
  })
  .refine(
    (attack) => attack.technique !== undefined || attack.sub_technique !== undefined,
    'has neither technique nor sub-technique',
  );

const productSchema = z.strictObject({
  name: z.string().min(1),
  vendor_name: z.string().min(1),
  version: z.string().min(1),
});

/** Milliseconds since 1970. */
const timestampSchema = z.int().min(0);

/**
 * One finding, with the members of the class that the guard fills.
 * @see https://schema.ocsf.io/1.6.0/classes/detection_finding
 */
export const detectionFindingSchema = z
  .strictObject({
    class_uid: z.literal(classUid),
    class_name: z.literal('Detection Finding'),
    category_uid: z.literal(2),
    category_name: z.literal('Findings'),
    /** 1 Create, 2 Update, 3 Close. */
    activity_id: z.literal([0, 1, 2, 3, 99]),
    type_uid: z.int(),
    /** 1 Informational, 2 Low, 3 Medium, 4 High, 5 Critical, 6 Fatal. */
    severity_id: z.literal([0, 1, 2, 3, 4, 5, 6, 99]),
    /** 1 New, 2 In Progress, 3 Suppressed, 4 Resolved. */
    status_id: z.literal([0, 1, 2, 3, 4, 5, 6, 99]),
    time: timestampSchema,
    message: z.string().min(1),
    is_alert: z.boolean(),
    /** 1 Allowed, 2 Denied, 3 Observed. */
    action_id: z.literal([0, 1, 2, 3, 4, 99]),
    /** 1 Allowed, 2 Blocked, 15 Detected, 17 Logged. */
    disposition_id: z.union([z.int().min(0).max(27), z.literal(99)]),
    metadata: z.strictObject({
      version: z.string().regex(/^1\.\d+\.\d+$/),
      product: productSchema,
      uid: z.string().min(1),
      profiles: z.array(z.literal('security_control')).length(1),
      correlation_uid: z.string().min(1).optional(),
    }),
    finding_info: z.strictObject({
      uid: z.string().min(1),
      title: z.string().min(1),
      created_time: timestampSchema,
      types: z.array(z.string().min(1)).optional(),
      /** 4 is Learning (ML/DL). */
      analytic: z
        .strictObject({
          type_id: z.literal([0, 1, 2, 3, 4, 5, 6, 7, 8, 99]),
          name: z.string().min(1),
          uid: z.string().min(1),
          version: z.string().min(1),
        })
        .optional(),
      attacks: z.array(attackSchema).min(1).optional(),
    }),
    attacks: z.array(attackSchema).min(1).optional(),
    policy: z.strictObject({ uid: z.string().min(1), version: z.string().min(1) }),
    resources: z.array(
      z.strictObject({ type: z.string(), name: z.string().min(1), uid: z.string().min(1).optional() }),
    ),
    /** What the class has no member for: the verdict whole, what is kept beside it, and the cursor behind this line. */
    unmapped: z.record(z.string(), z.unknown()),
  })
  .refine(({ type_uid: type, activity_id: activity }) => type === 100 * classUid + activity, {
    path: ['type_uid'],
    message: 'is not the class and the activity',
  });

export type DetectionFinding = z.infer<typeof detectionFindingSchema>;
