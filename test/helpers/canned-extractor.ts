// A gpu-worker without a model: answers the extraction call with canned logits, or with whatever a test makes of them.
import type { ServerResponse } from 'node:http';
import { compiledTensors, extractionParameters } from '../../shared/contracts/extraction.ts';
import { headerLengthHeader, type Parameters } from '../../shared/contracts/inference.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import { readRequest } from '../../shared/oip/read-message.ts';
import { writeResponse } from '../../shared/oip/write-message.ts';
import {
  type Behaviour,
  type FixtureServer,
  type ReceivedRequest,
  startFixtureServer,
} from './fixture-server.ts';

/** What the fixture says of itself. */
export interface CannedModel {
  readonly modelDigest: string;
  readonly noiseKeyId: string;
  readonly planDigest: string;
  readonly classes: number;
}

/** What a test changes of an honest answer. */
export interface Canned {
  logits: Float32Array;
  shape: number[];
  parameters: Parameters;
  modelName: string;
}

const compiledDigest = `sha256:${'c'.repeat(64)}`;

/** Starts the fixture with an honest behaviour. */
export function startCannedExtractor(model: CannedModel): Promise<FixtureServer> {
  return startFixtureServer(answerHonestly(model));
}

/**
 * Logits by a rule that a test can follow: an input whose first element exceeds 0.5 has copies that differ much from it,
 * every other input has copies that equal it. `change` spoils the answer before it is written.
 */
export function answerHonestly(model: CannedModel, change: (canned: Canned) => void = () => {}): Behaviour {
  const identity = {
    [extractionParameters.modelDigest]: model.modelDigest,
    [extractionParameters.compiledDigest]: compiledDigest,
    [extractionParameters.noiseKeyId]: model.noiseKeyId,
    [extractionParameters.planDigest]: model.planDigest,
  };
  return (request, response) => {
    const [, name, action] = /^\/v2\/models\/([^/]+)(?:\/(\w+))?$/.exec(request.path) ?? [];
    if (request.method === 'GET' && action === 'ready') return void response.writeHead(200).end();
    if (request.method === 'GET') {
      const canned = { logits: new Float32Array(0), shape: [], parameters: identity, modelName: name };
      change(canned);
      const metadata = { name, platform: 'canned', inputs: [], outputs: [], parameters: canned.parameters };
      return void response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify(metadata));
    }
    const canned = { ...cannedLogits(request, model.classes), parameters: identity, modelName: name };
    change(canned);
    writeCanned(canned, response);
  };
}

/** The bytes of an honest answer with its headers, for tests that cut them short. */
export function writeCanned(canned: Canned, response: ServerResponse): void {
  const message = writeResponse(
    { model_name: canned.modelName, model_version: '1', parameters: canned.parameters },
    [{ name: compiledTensors.logits, datatype: 'FP32', shape: canned.shape, data: canned.logits }],
    () => true,
  );
  response.writeHead(200, { ...message.headers, 'content-length': message.body.length }).end(message.body);
}

function cannedLogits({ headers, body }: ReceivedRequest, classes: number) {
  const headerLength = headers[headerLengthHeader];
  const { inputs } = readRequest({ bytes: body, headerLength: headerLength?.toString() });
  const [x, rows] = [compiledTensors.input, compiledTensors.noiseRows].map(
    (name) => inputs.find((input) => input.name === name)!,
  );
  const [batch, copies] = rows.shape;
  const size = elementCount(x.shape) / batch;
  const shape = [batch, copies + 1, classes];
  const logits = new Float32Array(elementCount(shape));
  for (let row = 0; row < batch; row++) {
    const restless = Number(x.data[row * size]) > 0.5;
    for (let copy = 0; copy <= copies; copy++) {
      for (let label = 0; label < classes; label++) {
        const shift = restless && copy > 0 ? label * copy : 0;
        logits[(row * (copies + 1) + copy) * classes + label] = classes - label + shift;
      }
    }
  }
  return { logits, shape };
}
