import { join } from 'node:path';
import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import type { GatewayDriver, GatewaySpec } from '#libs/drivers/core';
import { deadline, delay, DomainError, Ids } from '#libs/kernel';
import { GatewayRuntime } from '#libs/runtimes/core';
import { randomSecret } from '../identity/secrets.js';
import { HostConnector, type HostTarget } from './host-connector.js';
import type { HostFactsRecord } from './host-facts.js';
import { assertOwnRoots, type Roots } from './host-roots.js';
import { HostUnusable } from './hosts.errors.js';

/** All of it together, and the answer of the gateway that is tried, in milliseconds. */
const PROBE_LIMIT = 60_000;
const ANSWER_LIMIT = 20_000;
const CLEAN_LIMIT = 30_000;
const ASK_EVERY = 50;
const MB = 1024 * 1024;
const RESOURCES = { cpus: 0.5, memoryBytes: 256 * MB, pids: 64 };

/**
 * Tries a host before anything depends on it, with a gateway that is nobody's: its engine answers, its network isolates, its
 * folders are the same here and there, the image is there, and what is started can be reached. What it made is gone afterwards.
 */
@Injectable()
export class HostProbe {
  constructor(
    private readonly config: ControlPlaneConfig,
    private readonly connector: HostConnector,
    private readonly runtime: GatewayRuntime,
    private readonly ids: Ids,
  ) {}

  /** Its folders are nobody else's. Throws HostUnusable. */
  assertRoots(roots: Roots): Promise<void> {
    const { dataDir, secretsDir, backups } = this.config;
    const made = ['gateways', 'run', 'drills'].map((name) => join(dataDir, name));
    return assertOwnRoots(roots, [...made, secretsDir, backups.directory]);
  }

  /** `port` is free in the host's range. Throws HostUnusable with what is wrong and what to do. */
  async try(target: HostTarget, port: number): Promise<HostFactsRecord> {
    const limit = deadline(PROBE_LIMIT);
    try {
      const driver = await this.connector.connect(target);
      const facts = await driver.prepare(limit);
      await this.#start(driver, port, limit);
      return { ...facts, ...(await driver.usage(limit)) };
    } catch (cause) {
      if (cause instanceof HostUnusable) throw cause;
      const why = cause instanceof DomainError ? cause.message : 'It did not answer in time.';
      throw new HostUnusable(why, { cause });
    }
  }

  async #start(driver: GatewayDriver, port: number, limit: AbortSignal): Promise<void> {
    const id = this.ids.next('gateway');
    // As a warm one: it knows nobody, and whoever asks it proves that it was this control plane that started it.
    const credential = randomSecret();
    try {
      const address = await driver.ensure(this.#spec(id, port, credential), limit);
      await this.#answer({ ...address, credential }, deadline(ANSWER_LIMIT, limit));
    } finally {
      const clean = deadline(CLEAN_LIMIT);
      await driver.remove(id, clean);
      await driver.destroyState(id, clean);
    }
  }

  #spec(id: string, port: number, claim: string): GatewaySpec {
    const common = { kind: 'dedicated', runtime: 'wirebot', generation: 1, image: this.config.gatewayImage } as const;
    const secrets = { claim };
    return { ...common, id, port, controlPort: port + 1, resources: RESOURCES, environment: {}, secrets };
  }

  async #answer(at: { host: string; port: number; controlPort: number; credential: string }, limit: AbortSignal) {
    for (;;) {
      try {
        return await this.runtime.status(at, limit);
      } catch (error) {
        if (limit.aborted)
          throw new HostUnusable(
            `A gateway was started there and did not answer at ${at.host}:${at.controlPort} from here. Its network must be reachable from the control plane.`,
            { cause: error },
          );
        await delay(ASK_EVERY, limit).catch(() => undefined);
      }
    }
  }
}
