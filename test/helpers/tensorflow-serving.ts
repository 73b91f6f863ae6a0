// A server that speaks as much of TensorFlow Serving's REST API as a guard can be tried against; its model adds up each row.
import type { Behaviour, ReceivedRequest } from './fixture-server.ts';

/** Answers as the API's documentation says. There is no TensorFlow in it. */
export const servesTensorFlow: Behaviour = (request, response) => {
  const { status, body } = answerTo(request);
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body, null, 4));
};

interface Answer {
  readonly status: number;
  readonly body: object;
}

const model = /^\/v1\/models\/([^/:]+)(?:\/versions\/(\d+))?(\/metadata|:predict)?$/;

function answerTo({ method, path, body }: ReceivedRequest): Answer {
  const [, name, version = '3', action] = model.exec(path) ?? [];
  if (name === undefined) return failure(404, `Malformed request: ${method} ${path}`);
  if (version !== '3') return failure(404, `Servable not found for request: Specific(${name}, ${version})`);
  if (action === '/metadata') {
    return { status: 200, body: { model_spec: { name, signature_name: '', version }, metadata: {} } };
  }
  if (action === undefined) {
    const status = { error_code: 'OK', error_message: '' };
    return { status: 200, body: { model_version_status: [{ version, state: 'AVAILABLE', status }] } };
  }
  if (method !== 'POST') return failure(404, `Malformed request: ${method} ${path}`);
  return predict(body.toString());
}

function predict(text: string): Answer {
  let request: { instances?: unknown[]; inputs?: unknown };
  try {
    request = JSON.parse(text);
  } catch {
    return failure(400, 'JSON Parse error');
  }
  const { instances, inputs } = request;
  if (instances !== undefined) return { status: 200, body: { predictions: instances.map(sum) } };
  if (inputs === undefined) return failure(400, "Missing 'inputs' or 'instances' key");
  const column = Array.isArray(inputs) ? inputs : Object.values(inputs as object)[0];
  return { status: 200, body: { outputs: column.map(sum) } };
}

function sum(row: unknown): number {
  if (typeof row === 'number') return row;
  return Object.values(row as object).reduce((total: number, part) => total + sum(part), 0);
}

function failure(status: number, error: string): Answer {
  return { status, body: { error } };
}
