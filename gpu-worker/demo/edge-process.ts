// The edge as a child process: takes its options from its parent and does not outlive it, and workerd not either.
import { once } from 'node:events';
import { asGuardError } from '../../shared/errors.ts';
import { log } from '../../shared/log.ts';
import { stopRequest } from '../stop-request.ts';
import { type EdgeOptions, startEdge } from './edge-runtime.ts';

const stop = stopRequest();
// Secrets come by the channel: arguments and environment can be read by others on the machine.
const [options] = (await once(process, 'message')) as [EdgeOptions];
try {
  const edge = await startEdge(options);
  log('info', 'server.ready', { name: 'edge', url: edge.url.origin });
  await stop;
  await edge.stop();
  process.exit(0);
} catch (thrown) {
  log('error', 'server.failed', { name: 'edge', cause: asGuardError(thrown) });
  process.exit(1);
}
