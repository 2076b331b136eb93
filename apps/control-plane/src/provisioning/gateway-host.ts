import { Injectable } from '@nestjs/common';
import type { GatewayStatus } from '#libs/contracts';
import {
  DriverError,
  type GatewayAddress,
  GatewayDriver,
  type GatewaySpec,
  type GatewayState,
} from '#libs/drivers/core';
import { Clock, delay } from '#libs/kernel';
import { type GatewayEndpoint, GatewayRuntime } from '#libs/runtimes/core';
import type { TierResources } from '#libs/trust';
import { HostsService } from '../fleet/hosts.service.js';
import { GatewayCredentials } from '../secrets/gateway-credentials.js';
import { ConfigCompiler } from './config-compiler.js';
import { toFailure } from './provisioning.errors.js';
import type { GatewayRecord } from './resources.repository.js';

/** How long a gateway may finish running tasks when agents are taken away from it, in milliseconds. */
const DETACH_DRAIN_MS = 5_000;
const STOP_GRACE_SECONDS = 25;
/** While starting: how often and how long one pass asks before it lets others work, in milliseconds. */
const PROBE_EVERY_MS = 20;
const PROBE_FOR_MS = 2_000;

/** One gateway on its host: what the reconciler does with the driver, the runtime and the compiled configuration together. */
@Injectable()
export class GatewayHost {
  constructor(
    private readonly driver: GatewayDriver,
    private readonly runtime: GatewayRuntime,
    private readonly compiler: ConfigCompiler,
    private readonly hosts: HostsService,
    private readonly credentials: GatewayCredentials,
    private readonly clock: Clock,
  ) {}

  async inspect(id: string, signal: AbortSignal): Promise<GatewayState> {
    await this.hosts.facts(signal);
    return this.driver.inspect(id, signal);
  }

  /** Resolves once a process of exactly this row has been started; it need not answer yet. */
  async start(gateway: GatewayRecord, signal: AbortSignal): Promise<void> {
    const resources = gateway.resources as unknown as TierResources;
    const spec: GatewaySpec = {
      id: gateway.id,
      kind: gateway.kind as GatewaySpec['kind'],
      runtime: gateway.runtime,
      generation: Number(gateway.generation),
      image: gateway.image,
      port: gateway.port!,
      controlPort: gateway.port! + 1,
      resources: { cpus: resources.cpus, memoryBytes: resources.memoryMb * 1024 * 1024, pids: resources.pids },
      environment: {},
      secrets: await this.compiler.secrets(gateway.id),
    };
    await this.driver.ensure(spec, signal);
  }

  /** Its status, or undefined when it has not answered for a while. Throws when it answers that something is wrong. */
  async probe(id: string, address: GatewayAddress, signal: AbortSignal): Promise<GatewayStatus | undefined> {
    const end = this.clock.now().getTime() + PROBE_FOR_MS;
    for (;;) {
      try {
        return await this.runtime.status(this.#endpoint(id, address), signal);
      } catch (error) {
        if (!toFailure(error).retryable || signal.aborted) throw error;
        if (this.clock.now().getTime() > end) return undefined;
        await delay(PROBE_EVERY_MS, signal);
      }
    }
  }

  /** Delivers secrets and configuration as the rows say now; resolves with the generation that the gateway applied. */
  async configure(id: string, address: GatewayAddress, fence: bigint, signal: AbortSignal): Promise<bigint> {
    const { config, secrets } = await this.compiler.compile(id, fence, await this.hosts.brokerUrl(signal));
    await this.driver.writeSecrets(id, secrets, signal);
    const applied = await this.runtime.apply(this.#endpoint(id, address), config, DETACH_DRAIN_MS, signal);
    return BigInt(applied.generation);
  }

  async stop(id: string, signal: AbortSignal): Promise<void> {
    await this.driver.stop(id, STOP_GRACE_SECONDS, signal);
  }

  /** The process goes, its state stays. */
  async remove(id: string, signal: AbortSignal): Promise<void> {
    await this.driver.remove(id, signal);
  }

  /** The process goes, and its state with it. */
  async erase(id: string, signal: AbortSignal): Promise<void> {
    await this.driver.remove(id, signal);
    await this.driver.destroyState(id, signal);
  }

  /** After an outage of the engine the host is prepared again: what was there may be gone. */
  noteFailure(error: unknown): void {
    if (error instanceof DriverError && error.code === 'engine-unreachable') this.hosts.forget();
  }

  #endpoint(id: string, address: GatewayAddress): GatewayEndpoint {
    return { ...address, credential: this.credentials.control(id) };
  }
}
