import { backoff } from '#libs/kernel';
import type { AgentRoute } from '#libs/contracts';
import { ProxyProblem } from '../proxy.errors.js';
import { TIMES } from '../proxy.limits.js';
import type { Logger } from '../proxy.log.js';
import type { ControlPlaneCalls } from './control-plane.calls.js';

interface Wish {
  readonly agentId: string;
  waiting: number;
  attempt: number;
  /** Since when the control plane has not answered; undefined: it does. */
  silentSince: number | undefined;
  /** What the control plane said keeps the gateway from waking. */
  trouble: string | undefined;
  timer: NodeJS.Timeout | undefined;
}

/**
 * Asks the control plane to wake gateways: one call each, however many wait, repeated for as long as somebody waits. That
 * keeps the wish alive, and tells what is in the way.
 */
export class WakeClient {
  readonly #wishes = new Map<string, Wish>();
  readonly #telling = new Set<string>();

  constructor(
    private readonly calls: Pick<ControlPlaneCalls, 'post'>,
    private readonly log: Logger,
    /** Nobody needs to wait any longer for what will not come. */
    private readonly onGivenUp: (gatewayId: string, problem: ProxyProblem) => void,
  ) {}

  /** One more waits for it; call `leave` as often. */
  join({ agentId, gatewayId }: AgentRoute): void {
    const known = this.#wishes.get(gatewayId);
    if (known) {
      known.waiting += 1;
      return;
    }
    const wish = { agentId, waiting: 1, attempt: 0, silentSince: undefined, trouble: undefined, timer: undefined };
    this.#wishes.set(gatewayId, wish);
    void this.#ask(gatewayId, wish);
  }

  leave(gatewayId: string): void {
    const wish = this.#wishes.get(gatewayId);
    if (!wish || (wish.waiting -= 1) > 0) return;
    clearTimeout(wish.timer);
    this.#wishes.delete(gatewayId);
  }

  troubleOf(gatewayId: string): string | undefined {
    return this.#wishes.get(gatewayId)?.trouble;
  }

  /** A wish without anybody who waits here; many at once are one. Never rejects. */
  async once({ agentId, gatewayId }: AgentRoute): Promise<void> {
    if (this.#telling.has(gatewayId)) return;
    this.#telling.add(gatewayId);
    try {
      await this.calls.post('wake', { agentId }, TIMES.wakeCall);
    } catch (error) {
      this.log.warn({ agentId, gatewayId, reason: (error as Error).message }, 'agent could not be woken');
    } finally {
      this.#telling.delete(gatewayId);
    }
  }

  /** Never rejects. */
  async #ask(gatewayId: string, wish: Wish): Promise<void> {
    try {
      const { status, body } = await this.calls.post('wake', { agentId: wish.agentId }, TIMES.wakeCall);
      if (status === 404) return this.onGivenUp(gatewayId, new ProxyProblem('agent-moving'));
      if (status !== 202) throw new Error(`the control plane answered ${status}`);
      wish.trouble = (body as { trouble?: string | null } | undefined)?.trouble ?? undefined;
      wish.silentSince = undefined;
      wish.attempt = 0;
      this.#later(gatewayId, wish, TIMES.wakeRepeat);
    } catch (error) {
      this.#failed(gatewayId, wish, error as Error);
    }
  }

  #failed(gatewayId: string, wish: Wish, error: Error): void {
    if (this.#wishes.get(gatewayId) !== wish) return;
    if (wish.silentSince === undefined)
      this.log.warn(
        { agentId: wish.agentId, gatewayId, reason: error.message },
        'agent could not be woken, trying again',
      );
    wish.silentSince ??= performance.now();
    if (performance.now() - wish.silentSince >= TIMES.wakePatience)
      return this.onGivenUp(gatewayId, new ProxyProblem('wake-unavailable'));
    this.#later(gatewayId, wish, backoff(wish.attempt, 200, 1_000));
    wish.attempt += 1;
  }

  #later(gatewayId: string, wish: Wish, milliseconds: number): void {
    if (this.#wishes.get(gatewayId) === wish)
      wish.timer = setTimeout(() => void this.#ask(gatewayId, wish), milliseconds);
  }
}
