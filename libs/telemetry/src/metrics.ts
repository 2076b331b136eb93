import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/** Seconds; from a cache hit to a slow container start. */
const DURATION_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** The metrics of one process. Names get the prefix `wirebot_`; labels must come from small fixed sets, never ids. */
export class Metrics {
  readonly registry = new Registry();

  constructor(process: string) {
    this.registry.setDefaultLabels({ process });
    collectDefaultMetrics({ register: this.registry });
  }

  counter<L extends string>(name: string, help: string, labelNames: readonly L[] = []): Counter<L> {
    return new Counter({ name: `wirebot_${name}`, help, labelNames, registers: [this.registry] });
  }

  /** `collect` is asked at every scrape. */
  gauge<L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[] = [],
    collect?: () => number | Promise<number>,
  ): Gauge<L> {
    return new Gauge({
      name: `wirebot_${name}`,
      help,
      labelNames,
      registers: [this.registry],
      ...(collect
        ? {
            async collect(this: Gauge<L>) {
              this.set(await collect());
            },
          }
        : {}),
    });
  }

  /** Seconds. */
  duration<L extends string>(name: string, help: string, labelNames: readonly L[] = []): Histogram<L> {
    return new Histogram({
      name: `wirebot_${name}_seconds`,
      help,
      labelNames,
      buckets: DURATION_BUCKETS,
      registers: [this.registry],
    });
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  /** Prometheus' text format. */
  expose(): Promise<string> {
    return this.registry.metrics();
  }
}
