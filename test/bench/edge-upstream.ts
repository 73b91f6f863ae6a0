// A protected model that costs nothing: it reads a request whole and gives a small fixed answer, so that what is measured is the way to it.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { log } from '../../shared/log.ts';

const tensors = Buffer.from(
  JSON.stringify({
    model_name: 'mnist-lenet5',
    outputs: [{ name: 'logits', datatype: 'FP32', shape: [1, 10], data: Array.from(Array(10).keys()) }],
  }),
);
// The gateway that is measured beside the guard takes an answer apart and puts it together again.
const chat = Buffer.from(
  JSON.stringify({
    id: 'a',
    object: 'chat.completion',
    created: 0,
    model: 'm',
    choices: [{ index: 0, message: { role: 'assistant', content: 'b' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
  }),
);

const server = createServer((request, response) => {
  const answer = request.url?.endsWith('/chat/completions') ? chat : tensors;
  request.resume().on('end', () => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': answer.length });
    response.end(answer);
  });
});
// A connection that is closed while the next request is on its way would be counted as a fault of what stands in front.
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  log('info', 'server.ready', { name: 'upstream', url: `http://127.0.0.1:${port}` });
});
process.once('SIGTERM', () => process.exit(0));
