/** Names of the counters, without their prefix `wirebot_gateway_`, and what they count. */
const COUNTERS = {
  messages_accepted_total: 'Messages that were stored and acknowledged.',
  messages_repeated_total: 'Messages whose idempotency key was known.',
  tasks_completed_total: 'Answers that were completed.',
  tasks_failed_total: 'Answers that failed.',
  tasks_aborted_total: 'Answers that were stopped on request.',
  tasks_resumed_total: 'Answers that were begun again after an interruption.',
  input_tokens_total: 'Tokens sent to models.',
  output_tokens_total: 'Tokens received from models.',
  frames_sent_total: 'Frames sent to clients.',
  slow_consumers_total: 'Connections closed because their client did not read.',
  failed_authentications_total: 'Requests refused for their credential.',
} as const;
export type Counter = keyof typeof COUNTERS;

/** Seconds until the first token of an answer. */
const BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export interface Gauges {
  readonly agents: number;
  readonly agents_open: number;
  readonly sockets: number;
  readonly tasks_active: number;
}

/**
 * Prometheus text by hand: a handful of counters needs no client library, which would cost every gateway of a fleet memory.
 * No label carries an agent or a member: the number of series stays the same whatever runs here.
 */
export class Metrics {
  readonly #counts = new Map<Counter, number>();
  readonly #buckets = BUCKETS.map(() => 0);
  #firstTokenSum = 0;
  #firstTokens = 0;

  add(counter: Counter, by = 1): void {
    this.#counts.set(counter, (this.#counts.get(counter) ?? 0) + by);
  }

  firstToken(seconds: number): void {
    this.#firstTokenSum += seconds;
    this.#firstTokens += 1;
    for (const [index, bound] of BUCKETS.entries()) if (seconds <= bound) this.#buckets[index]! += 1;
  }

  render(gauges: Gauges): string {
    const lines: string[] = [];
    const metric = (name: string, type: string, help: string, rows: readonly [suffix: string, value: number][]) => {
      lines.push(`# HELP wirebot_gateway_${name} ${help}`, `# TYPE wirebot_gateway_${name} ${type}`);
      for (const [suffix, value] of rows) lines.push(`wirebot_gateway_${name}${suffix} ${value}`);
    };
    for (const [name, help] of Object.entries(COUNTERS)) {
      metric(name, 'counter', help, [['', this.#counts.get(name as Counter) ?? 0]]);
    }
    metric('agents', 'gauge', 'Agents that are attached.', [['', gauges.agents]]);
    metric('agents_open', 'gauge', 'Agents whose database is open.', [['', gauges.agents_open]]);
    metric('sockets', 'gauge', 'Chat sockets.', [['', gauges.sockets]]);
    metric('tasks_active', 'gauge', 'Answers being written.', [['', gauges.tasks_active]]);
    metric('resident_memory_bytes', 'gauge', 'Resident memory.', [['', process.memoryUsage.rss()]]);
    metric('uptime_seconds', 'gauge', 'Seconds since the start.', [['', Math.round(process.uptime())]]);
    metric('first_token_seconds', 'histogram', 'Time from begin of an answer to its first token.', [
      ...BUCKETS.map((bound, index): [string, number] => [`_bucket{le="${bound}"}`, this.#buckets[index]!]),
      ['_bucket{le="+Inf"}', this.#firstTokens],
      ['_sum', this.#firstTokenSum],
      ['_count', this.#firstTokens],
    ]);
    return `${lines.join('\n')}\n`;
  }
}
