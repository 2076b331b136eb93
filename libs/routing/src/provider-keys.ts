import type { ProviderName, SealedProviderKey } from '#libs/contracts';

const placeKey = (tenantId: string, memberId: string | null, provider: ProviderName) =>
  `${tenantId}/${memberId ?? ''}/${provider}`;

/** Tenants' and members' own provider keys, still sealed to the broker. */
export class ProviderKeys {
  readonly #byId = new Map<string, SealedProviderKey>();
  readonly #byPlace = new Map<string, SealedProviderKey>();

  clear(): void {
    this.#byId.clear();
    this.#byPlace.clear();
  }

  put(key: SealedProviderKey): void {
    this.drop(key.id);
    this.#byId.set(key.id, key);
    this.#byPlace.set(placeKey(key.tenantId, key.memberId, key.provider), key);
  }

  drop(id: string): void {
    const known = this.#byId.get(id);
    if (!known) return;
    this.#byId.delete(id);
    const place = placeKey(known.tenantId, known.memberId, known.provider);
    if (this.#byPlace.get(place) === known) this.#byPlace.delete(place);
  }

  /** The member's own key comes before the tenant's. */
  find(tenantId: string, memberId: string, provider: ProviderName): SealedProviderKey | undefined {
    return (
      this.#byPlace.get(placeKey(tenantId, memberId, provider)) ?? this.#byPlace.get(placeKey(tenantId, null, provider))
    );
  }

  list(): SealedProviderKey[] {
    return [...this.#byId.values()];
  }
}
