// Sends bytes that no HTTP client would send, and gives back the answer as it came.
import { once } from 'node:events';
import { connect } from 'node:net';

/** What came back until the server closed the connection or `patienceMs` passed. */
export async function rawRequest(url: URL, bytes: string | Uint8Array, patienceMs = 1_000): Promise<string> {
  const socket = connect(Number(url.port), url.hostname);
  await once(socket, 'connect');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  // The server may close the connection while the rest is still being sent.
  socket.on('error', () => undefined);
  socket.write(bytes);
  const closed = once(socket, 'close');
  const timer = setTimeout(() => socket.destroy(), patienceMs);
  await closed;
  clearTimeout(timer);
  return Buffer.concat(chunks).toString('latin1');
}
