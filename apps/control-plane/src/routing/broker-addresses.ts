import { isIPv6 } from 'node:net';
import type { Tx } from '#libs/database';

/** Addresses that hosts' gateways see their host at. */
export async function readBrokerHosts(tx: Tx): Promise<string[]> {
  const rows = await tx.$queryRaw<{ address: string }[]>`
    SELECT DISTINCT facts->>'hostAddressForGateways' AS address FROM hosts
    WHERE state <> 'removed' AND facts->>'hostAddressForGateways' IS NOT NULL ORDER BY 1`;
  return rows.map(({ address }) => address);
}

export const brokerAddressesOf = (hosts: readonly string[], port: number): string[] =>
  hosts.map((host) => (isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`));
