// KServe's InferenceService of an exported repository: Triton on Kubernetes, with the guard's token asked of every request.
import type { InstanceKind } from './model-config.ts';

/** What the service is made of. */
export interface InferenceServiceOptions {
  /** Name of the protected model. */
  readonly model: string;
  /** Where the cluster finds the repository, such as `pvc://CLAIM/FOLDER` or `s3://BUCKET/FOLDER`. */
  readonly storageUri: string;
  readonly kind: InstanceKind;
}

/**
 * Triton's groups of routes that need the token; `health` stays open to Kubernetes' own probes. The ones that change or tell what a
 * server has are behind it too.
 */
const restricted = [
  'metadata',
  'inference',
  'model-config',
  'model-repository',
  'statistics',
  'shared-memory',
  'trace',
  'logging',
].join(',');

/**
 * Writes the manifest. The token stands in the secret `nccr-guard-gpu-worker` under the key `token`, and is GPU_WORKER_TOKEN of the
 * edge; Triton is told it on its command line, since it reads it nowhere else.
 */
export function inferenceService({ model, storageUri, kind }: InferenceServiceOptions): string {
  // Names of Kubernetes (RFC 1123) have no capitals, dots or underscores; the model keeps its own.
  const name = model
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 63);
  const gpu = kind === 'cpu' ? '' : '\n          nvidia.com/gpu: "1"';
  return `# The edge's GPU_WORKER_URL is the address under which this service answers, its GPU_WORKER_TOKEN the token of the secret.
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: ${JSON.stringify(name)}
spec:
  predictor:
    minReplicas: 1
    model:
      modelFormat:
        name: triton
      runtime: kserve-tritonserver
      protocolVersion: v2
      storageUri: ${JSON.stringify(storageUri)}
      env:
        - name: GPU_WORKER_TOKEN
          valueFrom:
            secretKeyRef:
              name: nccr-guard-gpu-worker
              key: token
      args:
        - "--http-restricted-api=${restricted}:authorization=Bearer $(GPU_WORKER_TOKEN)"
      resources:
        requests:
          cpu: "1"
          memory: 2Gi
        limits:
          cpu: "2"
          memory: 4Gi${gpu}
`;
}
