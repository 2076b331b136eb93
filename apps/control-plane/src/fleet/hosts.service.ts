import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import type { Prisma, Tx } from '#libs/database';
import { GatewayDriver, type HostFacts } from '#libs/drivers/core';
import { Ids } from '#libs/kernel';

export type HostRow = Prisma.HostGetPayload<object>;
const LOCAL = 'local';

/** Where gateways run; in this first form the one engine beside the control plane. */
@Injectable()
export class HostsService {
  #facts: Promise<HostFacts> | undefined;

  constructor(
    private readonly config: ControlPlaneConfig,
    private readonly driver: GatewayDriver,
    private readonly ids: Ids,
  ) {}

  /** The local host's row, brought up to date with the configuration. */
  async local(tx: Tx): Promise<HostRow> {
    const { driver, gatewayPorts } = this.config;
    const data = { driver, portFrom: gatewayPorts.from, portTo: gatewayPorts.to };
    const host = await tx.host.findUnique({ where: { name: LOCAL } });
    if (host && host.driver === driver && host.portFrom === data.portFrom && host.portTo === data.portTo) return host;
    return tx.host.upsert({
      where: { name: LOCAL },
      create: { id: this.ids.next('host'), name: LOCAL, ...data },
      update: data,
    });
  }

  /** Prepares the host once; a failure is forgotten, so the next call tries again. Throws DriverError. */
  async facts(signal: AbortSignal): Promise<HostFacts> {
    this.#facts ??= this.driver.prepare(signal);
    try {
      return await this.#facts;
    } catch (error) {
      this.forget();
      throw error;
    }
  }

  /** After an outage: what was prepared may be gone. */
  forget(): void {
    this.#facts = undefined;
  }

  /** Where gateways on this host reach the model broker. */
  async brokerUrl(signal: AbortSignal): Promise<string> {
    return `http://${(await this.facts(signal)).hostAddressForGateways}:${this.config.brokerPort}`;
  }
}
