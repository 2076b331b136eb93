import { Injectable } from '@nestjs/common';
import type { GatewayStatus } from '#libs/contracts';
import {
  DriverError,
  type GatewayAddress,
  type GatewayDriver,
  type GatewaySpec,
  type GatewayState,
} from '#libs/drivers/core';
import { Clock, delay } from '#libs/kernel';
import { type GatewayEndpoint, GatewayRuntime } from '#libs/runtimes/core';
import type { TierResources } from '#libs/trust';
import { ControlPlaneConfig } from '#libs/config';
import { HostDrivers } from '../fleet/host-drivers.js';
import { GatewayCredentials } from '../secrets/gateway-credentials.js';
import { type CompiledConfig, ConfigCompiler } from './config-compiler.js';
import { toFailure } from './provisioning.errors.js';
import type { GatewayRecord } from './resources.repository.js';

/** How long a gateway may finish running tasks when agents are taken away from it, in milliseconds. */
const DETACH_DRAIN_MS = 5_000;
const STOP_GRACE_SECONDS = 25;
/** While starting: how often and how long one pass asks before it lets others work, in milliseconds. */
const PROBE_EVERY_MS = 20;
const PROBE_FOR_MS = 2_000;

/** What of a row names the gateway and where it is. */
export type GatewayPlace = Pick<GatewayRecord, 'id' | 'hostId'>;

/** One gateway on its host: what the reconciler does with the driver, the runtime and the compiled configuration together. */
@Injectable()
export class GatewayHost {
  constructor(
    private readonly drivers: HostDrivers,
    private readonly runtime: GatewayRuntime,
    private readonly compiler: ConfigCompiler,
    private readonly config: ControlPlaneConfig,
    private readonly credentials: GatewayCredentials,
    private readonly clock: Clock,
  ) {}

  /** For what only one part does with the host. */
  driver(gateway: Pick<GatewayRecord, 'hostId'>, signal: AbortSignal): Promise<GatewayDriver> {
    return this.drivers.of(gateway.hostId, signal);
  }

  async inspect(gateway: GatewayPlace, signal: AbortSignal): Promise<GatewayState> {
    return (await this.driver(gateway, signal)).inspect(gateway.id, signal);
  }

  /** Resolves once a process of exactly this row has been started; it need not answer yet. */
  async start(gateway: GatewayRecord, signal: AbortSignal, secrets?: Readonly<Record<string, string>>): Promise<void> {
    const spec = specOf(gateway, secrets ?? (await this.compiler.secrets(gateway.id)));
    await (await this.driver(gateway, signal)).ensure(spec, signal);
  }

  /** Its status, or undefined when it has not answered for a while. Throws when it answers that something is wrong. */
  async probe(
    id: string,
    address: GatewayAddress,
    signal: AbortSignal,
    at: GatewayEndpoint = this.endpoint(id, address),
  ): Promise<GatewayStatus | undefined> {
    const end = this.clock.now().getTime() + PROBE_FOR_MS;
    for (;;) {
      try {
        return await this.runtime.status(at, signal);
      } catch (error) {
        if (!toFailure(error).retryable || signal.aborted) throw error;
        if (this.clock.now().getTime() > end) return undefined;
        await delay(PROBE_EVERY_MS, signal);
      }
    }
  }

  /** Delivers secrets and configuration as the rows say now; resolves with the generation that the gateway applied. */
  async configure(gateway: GatewayPlace, address: GatewayAddress, fence: bigint, signal: AbortSignal): Promise<bigint> {
    const { config, secrets } = await this.compile(gateway, fence, signal);
    await (await this.driver(gateway, signal)).writeSecrets(gateway.id, secrets, signal);
    const applied = await this.runtime.apply(this.endpoint(gateway.id, address), config, DETACH_DRAIN_MS, signal);
    return BigInt(applied.generation);
  }

  async compile(gateway: GatewayPlace, fence: bigint, signal: AbortSignal): Promise<CompiledConfig> {
    const { hostAddressForGateways } = await this.drivers.facts(gateway.hostId, signal);
    return this.compiler.compile(gateway.id, fence, `http://${hostAddressForGateways}:${this.config.brokerPort}`);
  }

  async stop(gateway: GatewayPlace, signal: AbortSignal): Promise<void> {
    await (await this.driver(gateway, signal)).stop(gateway.id, STOP_GRACE_SECONDS, signal);
  }

  /** The process goes, its state stays. */
  async remove(gateway: GatewayPlace, signal: AbortSignal): Promise<void> {
    await (await this.driver(gateway, signal)).remove(gateway.id, signal);
  }

  /** Deletes the state of a gateway whose process is gone, with every copy that was kept of it. */
  async destroy(gateway: GatewayPlace, signal: AbortSignal): Promise<void> {
    await (await this.driver(gateway, signal)).destroyState(gateway.id, signal);
  }

  /** After an outage of the engine the host is prepared again: what was there may be gone. */
  noteFailure(gateway: GatewayPlace, error: unknown): void {
    if (error instanceof DriverError && error.code === 'engine-unreachable') this.drivers.forget(gateway.hostId);
  }

  endpoint(id: string, address: GatewayAddress): GatewayEndpoint {
    return { ...address, credential: this.credentials.control(id) };
  }
}

/** What runs when the row is true. */
export function specOf(gateway: GatewayRecord, secrets: Readonly<Record<string, string>>): GatewaySpec {
  const { cpus, memoryMb, pids } = gateway.resources as unknown as TierResources;
  return {
    id: gateway.id,
    kind: gateway.kind as GatewaySpec['kind'],
    runtime: gateway.runtime,
    generation: Number(gateway.generation),
    image: gateway.image,
    port: gateway.port!,
    controlPort: gateway.port! + 1,
    resources: { cpus, memoryBytes: memoryMb * 1024 * 1024, pids },
    environment: {},
    secrets,
  };
}
