import { readConfig } from './proxy.config.js';
import { createLog } from './proxy.log.js';
import { ProxyProcess } from './proxy.process.js';

async function main(): Promise<void> {
  const config = readConfig(process.env);
  const proxy = new ProxyProcess(config, createLog(config.logLevel));
  let stopping: Promise<void> | undefined;
  const stop = () => {
    // A second signal changes nothing: draining has its own limit.
    stopping ??= proxy.stop().then(() => process.exit(0));
  };
  process.on('SIGTERM', stop).on('SIGINT', stop);
  await proxy.start();
}

main().catch((error: unknown) => {
  createLog('info').fatal({ reason: error instanceof Error ? error.message : 'unknown' }, 'proxy could not start');
  process.exitCode = 1;
  // Listeners that did open would keep a half-started process alive.
  process.exit();
});
