// When a process of the project has to stop: a signal, or the end of the parent that started it.

/**
 * Resolves with what asks this process to stop: SIGTERM, SIGINT or, where it was started with a channel to its parent, the
 * parent's end. The same signal a second time ends the process at once.
 */
export function stopRequest(): Promise<string> {
  const stop = Promise.withResolvers<string>();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      process.once(signal, () => process.exit(1));
      stop.resolve(signal);
    });
  }
  if (process.connected) process.once('disconnect', () => stop.resolve('the parent process is gone'));
  return stop.promise;
}
