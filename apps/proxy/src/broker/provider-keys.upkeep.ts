import { openProviderKey, recipientOf, sealProviderKey } from '#libs/broker-keys';
import type { SealedProviderKey } from '#libs/contracts';
import type { RouteTable } from '#libs/routing';
import { LRUCache } from 'lru-cache';
import type { ControlPlaneCalls } from '../edge/control-plane.calls.js';
import { TIMES } from '../proxy.limits.js';
import type { Logger } from '../proxy.log.js';
import type { BrokerKeyFile } from './provider-keys.file.js';

interface UpkeepParts {
  readonly table: RouteTable;
  readonly file: BrokerKeyFile;
  readonly calls: ControlPlaneCalls;
  readonly log: Logger;
}

/**
 * What only the broker can do for own provider keys besides using them: tell when a provider refused one, and seal those to
 * its current key that are still sealed to an older one. Neither holds up a model call; what fails is tried again.
 */
export class ProviderKeyUpkeep {
  readonly #told = new LRUCache<string, true>({ max: 1_000, ttl: TIMES.refusedKeyPause });
  readonly #stop = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(private readonly parts: UpkeepParts) {}

  start(): void {
    this.#timer = setInterval(() => {
      this.#running = this.#running.then(() => this.resealOlder());
    }, TIMES.resealCheck);
    this.#timer.unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#stop.abort(new Error('the proxy ends'));
    await this.#running;
  }

  /** The provider refused this key: its owner hears of it, once in a while and not with every call. */
  refused({ id, version }: SealedProviderKey): void {
    const once = `${id}/${version}`;
    if (this.#told.has(once)) return;
    this.#told.set(once, true);
    void this.#post('refused', { id, version }).then((status) => {
      // Not told: the next refused call may tell it.
      if (status === undefined || status >= 500) this.#told.delete(once);
    });
  }

  /** Never rejects. */
  async resealOlder(): Promise<void> {
    try {
      const [current] = await this.parts.file.keys();
      if (!current) return;
      for (const key of this.parts.table.ownProviderKeys) {
        if (this.#stop.signal.aborted) return;
        const kid = recipientOf(key.jwe);
        if (kid !== undefined && kid !== current.kid)
          await this.#reseal(key, { ...current.publicJwk, kid: current.kid });
      }
    } catch (error) {
      this.parts.log.warn({ reason: (error as Error).message }, 'own provider keys could not be looked through');
    }
  }

  async #reseal(key: SealedProviderKey, recipient: Parameters<typeof sealProviderKey>[0]): Promise<void> {
    const { id, version } = key;
    try {
      const plain = await openProviderKey(await this.parts.file.keys(recipient.kid), key, key.jwe);
      const status = await this.#post('reseal', { id, version, jwe: await sealProviderKey(recipient, key, plain) });
      if (status === 200) this.parts.log.info({ storedKeyId: id, version }, 'a provider key was sealed anew');
    } catch (error) {
      this.parts.log.warn(
        { storedKeyId: id, version, reason: (error as Error).message },
        'a provider key stays sealed',
      );
    }
  }

  async #post(what: 'refused' | 'reseal', payload: object): Promise<number | undefined> {
    try {
      return (await this.parts.calls.post(`provider-keys/${what}`, payload, TIMES.signIn, this.#stop.signal)).status;
    } catch (error) {
      this.parts.log.warn({ what, reason: (error as Error).message }, 'the control plane was not told about a key');
      return undefined;
    }
  }
}
