import { type MemberClaims, ROUTE_HEARTBEAT_SECONDS } from '#libs/contracts';
import { RouteFeedClient, type RouteLog, RouteStore, RouteTable } from '#libs/routing';
import { readFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { BrokerListeners } from './broker/broker.listeners.js';
import { BrokerRequests } from './broker/broker.requests.js';
import { ProviderKeys } from './broker/provider-keys.js';
import { BrokerKeyFile } from './broker/provider-keys.file.js';
import { ProviderKeyUpkeep } from './broker/provider-keys.upkeep.js';
import { BrokerUsage } from './broker/broker-usage.js';
import { UsageClient } from './broker/usage/usage.client.js';
import { AgentAccess } from './edge/agent-access.js';
import { ChatPage } from './edge/chat-page.js';
import type { EdgeParts } from './edge/edge.parts.js';
import { EdgeRequests } from './edge/edge.requests.js';
import { ControlPlaneCalls } from './edge/control-plane.calls.js';
import { EdgeUpgrades } from './edge/edge.upgrades.js';
import { LiveConnections } from './edge/live-connections.js';
import { OwnRoutes } from './edge/own.routes.js';
import { SignInClient } from './edge/sign-in.client.js';
import { SignInRoutes } from './edge/sign-in.routes.js';
import { SignOuts } from './edge/sign-outs.js';
import { SignedOut } from './edge/signed-out.js';
import { SiteTokenClient } from './edge/site-token.client.js';
import { SiteTokens } from './edge/site-tokens.js';
import { TokenGate } from './edge/token-gate.js';
import { originOf } from './edge/upstream-request.js';
import { WaitingRoom } from './edge/waiting-room.js';
import { closeListener, createListener, listen } from './http/listener.js';
import { UpstreamPools } from './http/upstream-pools.js';
import type { ProxyConfig } from './proxy.config.js';
import { TIMES } from './proxy.limits.js';
import type { Logger } from './proxy.log.js';
import { ProxyMetrics } from './proxy.metrics.js';
import { SignalCounts } from './signal-counts.js';

/** After a start the route feed gets this long before the control plane counts as away. */
const FEED_PATIENCE_MS = 3_000;
/** A feed that is silent for this long has missed a heartbeat. */
const FEED_SILENCE_MS = 1.5 * ROUTE_HEARTBEAT_SECONDS * 1_000;

/** The whole proxy: edge, broker and what they share. Everything is wired here. */
export class ProxyProcess {
  readonly #startedAt = performance.now();
  readonly #table = new RouteTable();
  readonly #metrics = new ProxyMetrics();
  readonly #pools = new UpstreamPools();
  readonly #signals = new SignalCounts();
  readonly #signedOut = new SignedOut();
  readonly #gate = new TokenGate(this.#table, undefined, undefined, this.#signedOut);
  readonly #live = new LiveConnections(this.#gate, this.#table, undefined, (code) => this.#metrics.accessEnded(code));
  readonly #stop = new AbortController();
  readonly #store: RouteStore;
  readonly #feed: RouteFeedClient;
  readonly #own: OwnRoutes;
  readonly #room: WaitingRoom;
  readonly #upgrades: EdgeUpgrades;
  readonly #server: Server;
  readonly #broker: BrokerListeners;
  readonly #usage: BrokerUsage;
  readonly #keyUpkeep: ProviderKeyUpkeep;
  #following: Promise<void> = Promise.resolve();

  constructor(
    private readonly config: ProxyConfig,
    private readonly log: Logger,
  ) {
    const table = this.#table;
    // Read on every use: the file may appear, or change, after this process has started.
    const credential = async () => (await readFile(config.credentialPath, 'utf8')).trim();
    const routeLog: RouteLog = (level, event, fields) => log[level](fields ?? {}, event);
    this.#store = new RouteStore(config.routesPath, routeLog);
    const onChange = () => {
      this.#store.save(() => table.snapshot());
      this.#live.review();
      this.#broker.follow(table.brokerAddresses);
      this.#room.review();
    };
    this.#feed = new RouteFeedClient({ url: config.controlPlaneUrl, credential, table, onChange, log: routeLog });
    this.#own = new OwnRoutes(table, this.#metrics, () => this.#feed.connected);
    const calls = new ControlPlaneCalls(config.controlPlaneUrl, credential);
    this.#room = new WaitingRoom(table, calls, config.wakeWaitMs, log, (outcome, ms) =>
      this.#metrics.waited(outcome, ms),
    );
    // It agreed to sleep as nothing was in flight: what still is has come too late, and would wait in a frozen gateway.
    table.onAsleep = (route) => {
      if (this.#pools.inFlight(originOf(route)) > 0) this.#room.stir(route);
    };
    table.onMoved = (route) => this.#upgrades.leaveFormer(route);
    const parts = this.#edgeParts(calls);
    const requests = new EdgeRequests(parts);
    this.#upgrades = new EdgeUpgrades(parts);
    this.#server = createListener((req, res) => void requests.handle(req, res));
    this.#server.on('upgrade', (req, socket, head) => void this.#upgrades.handle(req, socket as Socket, head));
    const file = new BrokerKeyFile(config.brokerKeysPath);
    this.#keyUpkeep = new ProviderKeyUpkeep({ table, file, calls, log });
    const keys = new ProviderKeys(table, config, file, this.#keyUpkeep, log);
    this.#usage = new BrokerUsage({
      table,
      client: new UsageClient(config.controlPlaneUrl, credential),
      signals: this.#signals,
      metrics: this.#metrics,
      log,
      away: () => this.#controlPlaneIsAway(),
      directory: config.usageDir,
      journalBytes: config.usageJournalBytes,
    });
    this.#broker = new BrokerListeners(new BrokerRequests({ ...parts, config, keys, usage: this.#usage }), log);
  }

  /** Broken off, or hanging: then nobody waits for it any longer. */
  #controlPlaneIsAway(): boolean {
    if (this.#feed.connected) return this.#feed.silence > FEED_SILENCE_MS;
    return performance.now() - this.#startedAt > FEED_PATIENCE_MS;
  }

  /** Where the broker listens now. */
  get brokerAddresses(): AddressInfo[] {
    return this.#broker.addresses;
  }

  /** Loads the last good routes, then listens: an agent of yesterday answers even when the control plane never comes up. */
  async start(): Promise<AddressInfo> {
    const saved = await this.#store.load();
    if (saved) {
      this.#table.apply(saved);
      this.log.info({ version: saved.version, ...this.#table.size }, 'route table loaded from disk');
    }
    this.#metrics.watch({
      routes: () => this.#table.size,
      feedConnected: () => this.#feed.connected,
      sockets: () => this.#upgrades.open,
      waiting: () => this.#room.size,
      upstreams: () => this.#pools.size,
    });
    this.#following = this.#feed.run(this.#stop.signal);
    this.#live.start();
    await this.#usage.open();
    this.#keyUpkeep.start();
    await this.#broker.open(this.config.brokerListen, this.#stop.signal);
    this.#broker.follow(this.#table.brokerAddresses);
    const address = await listen(this.#server, this.config.listen);
    this.log.info({ host: address.address, port: address.port }, 'proxy listening');
    return address;
  }

  /** Ends in order: no new connections, sockets are told to leave, requests in flight are finished, routes are written. */
  async stop(): Promise<void> {
    this.log.info({ sockets: this.#upgrades.open }, 'proxy draining');
    this.#own.draining = true;
    this.#room.close();
    this.#upgrades.drain();
    await Promise.all([closeListener(this.#server, TIMES.drain), this.#broker.close(TIMES.drain)]);
    await this.#usage.close();
    await this.#keyUpkeep.stop();
    this.#live.stop();
    this.#stop.abort(new Error('the proxy ends'));
    await this.#following;
    await this.#store.flush();
    await this.#pools.close();
    this.log.info('proxy stopped');
  }

  #edgeParts(calls: ControlPlaneCalls): EdgeParts {
    const { config, log } = this;
    const scheme = config.publicUrl.startsWith('https:') ? 'https' : 'http';
    const gate = this.#gate;
    const siteTokens = new SiteTokens(new SiteTokenClient(calls), gate);
    const access = new AgentAccess(this.#table, gate, siteTokens, () => this.#feed.connected, this.#signals);
    const client = new SignInClient(calls);
    const signOuts = new SignOuts(client, this.#signedOut, log, this.#stop.signal);
    const signOut = async (claims: MemberClaims) => {
      const told = signOuts.end(claims);
      this.#live.review(true);
      await told;
    };
    return {
      table: this.#table,
      access,
      live: this.#live,
      room: this.#room,
      signIn: new SignInRoutes({ client, gate, access, signOut, secure: scheme === 'https' }),
      page: new ChatPage(config.chatDir),
      own: this.#own,
      pools: this.#pools,
      metrics: this.#metrics,
      signals: this.#signals,
      log,
      scheme,
      accessLogSample: config.accessLogSample,
    };
  }
}
