import type { HostFacts, HostUsage } from '#libs/drivers/core';

/** What a host said of itself last, as `hosts.facts` keeps it. */
export type HostFactsRecord = HostFacts & HostUsage;

export const factsOf = (value: unknown): HostFactsRecord | null =>
  value && typeof value === 'object' ? (value as HostFactsRecord) : null;
