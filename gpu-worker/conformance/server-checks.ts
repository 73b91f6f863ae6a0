// Checks of what a server says of itself and of its model.
import { modelMetadataSchema, serverMetadataSchema } from '../../shared/contracts/inference.ts';
import { type ConformanceCheck, demand, demandRefusal, demandStatus, excerpt } from './conformance-check.ts';
import { modelPath } from './oip-target.ts';

/** A name that no server has. */
export const nobody = 'no-such-model-of-the-conformance-suite';

/** Why checks of a version are left out. */
export const noVersion = 'no version was given';

/** Required routes of the protocol, but for the inference. */
export const serverChecks: readonly ConformanceCheck[] = [
  {
    name: 'server-live',
    demands: 'GET v2/health/live is answered with 200',
    async run({ target }) {
      demandStatus(await target.get('v2/health/live'), 200);
      return undefined;
    },
  },
  {
    name: 'server-ready',
    demands: 'GET v2/health/ready is answered with 200',
    async run({ target }) {
      demandStatus(await target.get('v2/health/ready'), 200);
      return undefined;
    },
  },
  {
    name: 'server-metadata',
    demands: 'GET v2 has the name, the version and the extensions of the server',
    async run({ target }) {
      const answer = await target.get('v2');
      demandStatus(answer, 200);
      demand(serverMetadataSchema.safeParse(answer.json()).success, `metadata ${excerpt(answer.text())}`);
      return undefined;
    },
  },
  {
    name: 'model-ready',
    demands: 'GET v2/models/{model}/ready is answered with 200',
    async run({ target }) {
      demandStatus(await target.get(`${modelPath(target.model)}/ready`), 200);
      return undefined;
    },
  },
  {
    name: 'model-metadata',
    demands: 'GET v2/models/{model} has its name, platform, inputs and outputs',
    async run({ target }) {
      const answer = await target.get(modelPath(target.model));
      demandMetadata(answer, target.model);
      return undefined;
    },
  },
  {
    name: 'version-ready',
    demands: 'GET v2/models/{model}/versions/{version}/ready is answered with 200',
    async run({ target }) {
      const { model, version } = target;
      if (version === undefined) return noVersion;
      demandStatus(await target.get(`${modelPath(model, version)}/ready`), 200);
      return undefined;
    },
  },
  {
    name: 'version-metadata',
    demands: 'GET v2/models/{model}/versions/{version} has the metadata of that version',
    async run({ target }) {
      const { model, version } = target;
      if (version === undefined) return noVersion;
      demandMetadata(await target.get(modelPath(model, version)), model);
      return undefined;
    },
  },
  {
    name: 'unknown-model-ready',
    demands: 'a model that is not there is not ready: 4xx',
    async run({ target }) {
      const { status } = await target.get(`${modelPath(nobody)}/ready`);
      demand(status >= 400 && status < 500, `status ${status} instead of 4xx`);
      return undefined;
    },
  },
  {
    name: 'unknown-model-metadata',
    demands: 'the metadata of a model that is not there are refused with 4xx and {"error"}',
    async run({ target }) {
      demandRefusal(await target.get(modelPath(nobody)));
      return undefined;
    },
  },
  {
    name: 'unknown-version-metadata',
    demands: 'the metadata of a version that is not there are refused with 4xx and {"error"}',
    async run({ target }) {
      demandRefusal(await target.get(modelPath(target.model, '999999')));
      return undefined;
    },
  },
];

function demandMetadata(answer: Parameters<typeof demandStatus>[0], model: string): void {
  demandStatus(answer, 200);
  const metadata = modelMetadataSchema.safeParse(answer.json());
  demand(metadata.success, `metadata ${excerpt(answer.text())}`);
  const { name, inputs, outputs } = metadata.data;
  demand(name === model, `the metadata are of ${name}`);
  demand(inputs.length > 0 && outputs.length > 0, 'the metadata have no input or no output');
}
