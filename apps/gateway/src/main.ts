import { SortableIds, SystemClock } from '#libs/kernel';
import { ModelRouter } from '#libs/providers';
import { createLogger } from '#libs/telemetry';
import { mkdirSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { NOTHING_DUE } from './agents/agenda.js';
import { Gateway } from './agents/gateway.js';
import { ModelEndpoints } from './chat/model-endpoints.js';
import { ConfigStore } from './config/config.store.js';
import { type Environment, readEnvironment } from './config/environment.js';
import { ControlCredential } from './control/control-credential.js';
import { createControlListener } from './control/control.listener.js';
import { restoreFolders } from './control/folders.js';
import { StartRefused } from './errors.js';
import { AccessControl } from './http/access.js';
import { FailedAttempts } from './http/failed-attempts.js';
import { createMainListener } from './http/main.listener.js';
import { LIMITS } from './limits.js';
import { Activity } from './load/activity.js';
import { LoopDelay } from './load/loop-delay.js';
import { RunningClock } from './load/running-clock.js';
import { Turns } from './load/turns.js';
import { Metrics } from './metrics.js';
import { shutDown } from './shutdown.js';
import { SocketListener } from './ws/socket.listener.js';

const VERSION = '0.1.0';
/** EX_CONFIG of sysexits.h: starting again does not help. */
const EXIT_CONFIG = 78;

// Everything this process creates is its owner's alone: files 600, folders 700.
process.umask(0o077);

function prepareState({ stateDir }: Environment): void {
  try {
    mkdirSync(join(stateDir, 'agents'), { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new StartRefused('The state directory cannot be written.', { cause });
  }
}

async function start(): Promise<void> {
  const environment = readEnvironment(process.env);
  const logger = createLogger({ name: 'gateway', fields: { gatewayId: environment.gatewayId } });
  prepareState(environment);
  await restoreFolders(join(environment.stateDir, 'agents'));
  const clock = new SystemClock();
  const uptime = new RunningClock(LIMITS.databaseSweep);
  const delay = new LoopDelay();
  const turns = new Turns();
  const activity = new Activity(clock, uptime, delay);
  const metrics = new Metrics();
  const store = new ConfigStore(environment.stateDir);
  const gateway = new Gateway(
    { gatewayId: environment.gatewayId, stateDir: environment.stateDir, version: VERSION, delay },
    store,
    (config) => ({
      clock,
      uptime,
      activity,
      turns,
      // Agents act only when they are asked, until there is a scheduler.
      agendaOf: () => NOTHING_DUE,
      ids: new SortableIds(clock),
      router: new ModelRouter(),
      endpoints: new ModelEndpoints(environment.secretsDir, () => config()?.brokerUrl ?? null),
      metrics,
      logger,
    }),
  );
  const credential = new ControlCredential(environment.secretsDir);
  await gateway.load(await credential.loadClaim());
  if (store.claimedBy !== undefined) credential.rememberClaim(store.claimedBy);
  const access = new AccessControl(gateway, new FailedAttempts(uptime), metrics, activity);
  const main = createMainListener({ gateway, access, activity, metrics, logger });
  const control = createControlListener({
    gateway,
    credential,
    activity,
    logger,
    closeIdleConnections: () => main.server.closeIdleConnections(),
  });
  const sockets = new SocketListener({ gateway, access, activity, metrics, logger, now: () => clock.now() });
  sockets.listen(main.server);
  const sweep = setInterval(() => {
    uptime.tick();
    gateway.sweep();
  }, LIMITS.databaseSweep);
  let ending = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (ending) return;
      ending = true;
      void shutDown({ gateway, main, control, sockets, sweep, logger });
    });
  }
  await control.listen({ host: environment.host, port: environment.controlPort });
  await main.listen({ host: environment.host, port: environment.port });
  // As bound: a configured port of 0 means any free one.
  const [port, controlPort] = [main, control].map((app) => (app.server.address() as AddressInfo).port);
  logger.info({ port, controlPort, state: gateway.state }, 'listening');
  await gateway.resume();
}

start().catch((error: unknown) => {
  const refused = error instanceof StartRefused;
  const logger = createLogger({ name: 'gateway' });
  logger.fatal({ err: error }, refused ? error.message : 'start failed');
  process.exit(refused ? EXIT_CONFIG : 1);
});
