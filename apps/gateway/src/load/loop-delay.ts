import { LIMITS } from '../limits.js';

const SAMPLES = LIMITS.loopKept / LIMITS.loopSample;

/**
 * How late timers run, over the last minute of work. It samples only while something happens: an idle process has no delay
 * that anybody could feel, and a timer would wake it for nothing. (`monitorEventLoopDelay` has no window that slides, adds
 * its own interval to every value and takes a freeze of the process for a delay.)
 */
export class LoopDelay {
  readonly #delays = new Float32Array(SAMPLES);
  readonly #times = new Float64Array(SAMPLES).fill(-Infinity);
  #next = 0;
  #last = 0;
  #cpu = 0;
  #until = 0;
  #timer: NodeJS.Timeout | undefined;

  /** `now` in milliseconds that never jump; `cpu`: processor time of this process, in milliseconds. */
  constructor(
    private readonly now: () => number = () => performance.now(),
    private readonly cpu: () => number = processorTime,
  ) {}

  get isWatching(): boolean {
    return this.#timer !== undefined;
  }

  /** Something happens: sample from now on, until nothing has happened for a while. */
  watch(): void {
    this.#until = this.now() + LIMITS.loopLinger;
    if (this.#timer) return;
    this.#last = this.now();
    this.#cpu = this.cpu();
    this.#timer = setInterval(() => this.sample(), LIMITS.loopSample).unref();
  }

  /** One look; the timer's. */
  sample(): void {
    const now = this.now();
    const cpu = this.cpu();
    const late = now - this.#last - LIMITS.loopSample;
    const wasFrozen = late > LIMITS.frozen && cpu - this.#cpu < late / 100;
    // Whoever came while the loop was held waited too: one value for each sample that was missed.
    if (!wasFrozen)
      for (let delay = Math.max(0, late), n = 0; n < SAMPLES && (n === 0 || delay > 0); n += 1) {
        this.#keep(now, delay);
        delay -= LIMITS.loopSample;
      }
    this.#last = now;
    this.#cpu = cpu;
    if (now >= this.#until) this.stop();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** The 99th percentile, in milliseconds; 0 when nothing happened. */
  p99(): number {
    const since = this.now() - LIMITS.loopKept;
    const recent = this.#delays.filter((_, index) => this.#times[index]! > since).sort();
    return recent[Math.ceil(recent.length * 0.99) - 1] ?? 0;
  }

  #keep(at: number, delay: number): void {
    this.#delays[this.#next] = delay;
    this.#times[this.#next] = at;
    this.#next = (this.#next + 1) % SAMPLES;
  }
}

function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
