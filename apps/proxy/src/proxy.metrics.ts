import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { LIMITS } from './proxy.limits.js';

export type Traffic = 'agent' | 'page' | 'sign-in' | 'own' | 'refused';
export type ModelProvider = 'anthropic' | 'openai';

export interface UsageSources {
  readonly journalBytes: () => number;
  readonly openCalls: () => number;
  readonly leases: () => number;
}

export interface MetricSources {
  readonly routes: () => { readonly tenants: number; readonly agents: number };
  readonly feedConnected: () => boolean;
  readonly sockets: () => number;
  readonly waiting: () => number;
  readonly upstreams: () => number;
}

/** Counters of this process. Labels are closed sets, except the tenant's, of which there is a largest number. */
export class ProxyMetrics {
  readonly registry = new Registry();
  readonly #tenants = new Set<string>();
  readonly #requests = this.#counter('wirebot_proxy_requests_total', 'Requests answered', ['traffic', 'status']);
  readonly #faults = this.#counter('wirebot_proxy_upstream_faults_total', 'Exchanges that broke', ['side', 'fault']);
  readonly #upgrades = this.#counter('wirebot_proxy_upgrades_total', 'WebSockets opened', []);
  readonly #ended = this.#counter('wirebot_proxy_access_ended_total', 'Sockets and answers ended with their token', [
    'reason',
  ]);
  readonly #waits = this.#counter('wirebot_proxy_waits_total', 'Waits for agents that slept or moved', ['outcome']);
  readonly #waitTimes = new Histogram({
    name: 'wirebot_proxy_wait_seconds',
    help: 'How long requests waited for agents that slept or moved',
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers: [this.registry],
  });
  readonly #calls = this.#counter('wirebot_broker_requests_total', 'Model calls', ['tenant', 'provider', 'status']);
  readonly #tokens = this.#counter('wirebot_broker_tokens_total', 'Tokens read off model answers', [
    'tenant',
    'provider',
    'direction',
  ]);
  readonly #refusals = this.#counter('wirebot_broker_refusals_total', 'Model calls refused for quota or journal', [
    'problem',
  ]);

  /** Values that are read when somebody looks. */
  watch(sources: MetricSources): void {
    this.#gauge('wirebot_proxy_tenants', 'Tenants in the route table', () => sources.routes().tenants);
    this.#gauge('wirebot_proxy_agents', 'Agents in the route table', () => sources.routes().agents);
    this.#gauge('wirebot_proxy_feed_connected', '1 while the route feed is followed', () =>
      Number(sources.feedConnected()),
    );
    this.#gauge('wirebot_proxy_sockets', 'Open WebSockets', sources.sockets);
    this.#gauge('wirebot_proxy_waiting', 'Requests that wait for agents that sleep or move', sources.waiting);
    this.#gauge('wirebot_proxy_upstreams', 'Upstreams with a connection pool', sources.upstreams);
    collectDefaultMetrics({ register: this.registry });
  }

  watchUsage(sources: UsageSources): void {
    this.#gauge('wirebot_broker_journal_bytes', 'Size of the usage journal', sources.journalBytes);
    this.#gauge('wirebot_broker_open_calls', 'Model calls in flight that are counted', sources.openCalls);
    this.#gauge('wirebot_broker_leases', "Members' days that this broker holds a part of", sources.leases);
  }

  request(traffic: Traffic, status: number): void {
    this.#requests.inc({ traffic, status: statusClass(status) });
  }

  fault(side: 'edge' | 'broker', fault: string): void {
    this.#faults.inc({ side, fault });
  }

  /** `reason`: the code that the client is told. */
  accessEnded(reason: string): void {
    this.#ended.inc({ reason });
  }

  waited(outcome: string, milliseconds: number): void {
    this.#waits.inc({ outcome });
    if (outcome === 'over') this.#waitTimes.observe(milliseconds / 1_000);
  }

  upgrade(): void {
    this.#upgrades.inc();
  }

  modelCall(tenant: string, provider: ModelProvider, status: number): void {
    this.#calls.inc({ tenant: this.#label(tenant), provider, status: statusClass(status) });
  }

  modelCallRefused(problem: string): void {
    this.#refusals.inc({ problem });
  }

  modelTokens(tenant: string, provider: ModelProvider, input: number, output: number): void {
    const label = this.#label(tenant);
    this.#tokens.inc({ tenant: label, provider, direction: 'input' }, input);
    this.#tokens.inc({ tenant: label, provider, direction: 'output' }, output);
  }

  #label(tenant: string): string {
    if (this.#tenants.has(tenant)) return tenant;
    if (this.#tenants.size >= LIMITS.tenantLabels) return 'other';
    this.#tenants.add(tenant);
    return tenant;
  }

  #counter<T extends string>(name: string, help: string, labelNames: readonly T[]): Counter<T> {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  #gauge(name: string, help: string, read: () => number): void {
    const gauge = new Gauge({
      name,
      help,
      registers: [],
      collect() {
        this.set(read());
      },
    });
    this.registry.registerMetric(gauge);
  }
}

const statusClass = (status: number) => `${Math.floor(status / 100)}xx`;
