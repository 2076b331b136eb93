/**
 * Runs a benchmark and then, however it ends (also by Ctrl-C), everything it deferred, last first. A cleanup that fails
 * is reported and keeps no other from running.
 */
export async function withCleanup(work) {
  const deferred = [];
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => stop.abort());
  const stopped = new Promise((_resolve, reject) =>
    stop.signal.addEventListener('abort', () => reject(new Error('stopped before its end')), { once: true }),
  );
  try {
    await Promise.race([work((undo) => deferred.push(undo)), stopped]);
  } catch (error) {
    console.error(error);
    process.exitCode = 1;
  }
  for (const undo of deferred.toReversed()) {
    try {
      await undo();
    } catch (error) {
      console.error(error);
      process.exitCode = 1;
    }
  }
  process.exit();
}
