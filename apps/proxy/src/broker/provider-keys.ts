import { openProviderKey, recipientOf } from '#libs/broker-keys';
import type { AgentRoute, SealedProviderKey } from '#libs/contracts';
import type { RouteTable } from '#libs/routing';
import { LRUCache } from 'lru-cache';
import type { ProxyConfig } from '../proxy.config.js';
import { LIMITS, TIMES } from '../proxy.limits.js';
import type { Logger } from '../proxy.log.js';
import type { ModelProvider } from '../proxy.metrics.js';
import { type BrokerProblem, providerConfig } from './provider-api.js';
import type { BrokerKeyFile } from './provider-keys.file.js';
import type { ProviderKeyUpkeep } from './provider-keys.upkeep.js';

export type KeyHolder = 'member' | 'tenant' | 'platform';

export interface ChosenKey {
  /** Secret. */
  readonly key: string;
  readonly holder: KeyHolder;
  /** Which stored key it is; undefined for the platform's. */
  readonly sealed?: SealedProviderKey;
}

/**
 * Whose key a model call is made with: the member's own, else the tenant's, else the platform's. Own keys arrive sealed to
 * this broker and are opened when they are first needed. One that cannot be opened is never replaced by the next in line:
 * a call that its owner meant to pay for must not be made at somebody else's cost.
 */
export class ProviderKeys {
  readonly #open = new LRUCache<string, string>({ max: LIMITS.openProviderKeys, ttl: TIMES.openProviderKey });

  constructor(
    private readonly table: RouteTable,
    private readonly config: ProxyConfig,
    private readonly file: BrokerKeyFile,
    private readonly upkeep: ProviderKeyUpkeep,
    private readonly log: Logger,
  ) {}

  /** Answers at once for the platform's key and for one that is open; nothing of an own key outlives its removal here. */
  choose(agent: AgentRoute, provider: ModelProvider): ChosenKey | BrokerProblem | Promise<ChosenKey | BrokerProblem> {
    const sealed = this.table.providerKey(agent.tenantId, agent.memberId, provider);
    if (!sealed) return this.#platform(provider);
    const open = this.#open.get(cacheKey(sealed));
    return open === undefined ? this.#openNow(sealed) : chosen(sealed, open);
  }

  /** The provider refused it. */
  refused({ sealed }: ChosenKey): void {
    if (sealed) this.upkeep.refused(sealed);
  }

  #platform(provider: ModelProvider): ChosenKey | BrokerProblem {
    const key = providerConfig(this.config, provider).apiKey;
    return key === undefined ? 'model-provider-not-configured' : { key, holder: 'platform' };
  }

  async #openNow(sealed: SealedProviderKey): Promise<ChosenKey | BrokerProblem> {
    const { id, tenantId, version } = sealed;
    try {
      const key = await openProviderKey(await this.file.keys(recipientOf(sealed.jwe)), sealed, sealed.jwe);
      this.#open.set(cacheKey(sealed), key);
      return chosen(sealed, key);
    } catch (error) {
      const { message } = error as Error;
      this.log.error({ storedKeyId: id, tenantId, version, reason: message }, 'a provider key cannot be opened');
      return 'model-provider-key-unreadable';
    }
  }
}

const cacheKey = ({ id, version, jwe }: SealedProviderKey): string => `${id}/${version}/${jwe.slice(-22)}`;

const chosen = (sealed: SealedProviderKey, key: string): ChosenKey => ({
  key,
  holder: sealed.memberId === null ? 'tenant' : 'member',
  sealed,
});
