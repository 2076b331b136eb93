import { DriverError, type GatewaySpec } from '#libs/drivers/core';
import { delay } from '#libs/kernel';
import type Docker from 'dockerode';
import { changeLimits } from './container-limits.js';
import { type ContainerPlace, containerOptions, LABELS, specHash } from './container-spec.js';
import { isAlive } from './container-state.js';
import { callEngine, callUnless, ENGINE_LIMITS, statusOfFailure } from './engine-call.js';

export interface FoundContainer {
  readonly info: Docker.ContainerInspectInfo;
  /** It has our name but not our labels: somebody else's, never to be touched. */
  readonly foreign: boolean;
}

const ATTEMPTS = 3;
const REMOVAL_POLL = 100;

/** The containers of one instance, by gateway id. */
export class Containers {
  constructor(
    private readonly docker: Docker,
    private readonly instance: string,
  ) {}

  nameOf(id: string): string {
    return `wirebot-${this.instance}-${id}`;
  }

  async find(id: string, signal: AbortSignal): Promise<FoundContainer | undefined> {
    const info = await this.#inspect(this.nameOf(id), signal);
    if (!info) return undefined;
    const labels = info.Config.Labels ?? {};
    return { info, foreign: labels[LABELS.instance] !== this.instance || labels[LABELS.gateway] !== id };
  }

  /**
   * Makes exactly this spec's container run. A crash between any two calls is repaired by the next run: one that was
   * created and not started is recognised by its spec hash and started.
   */
  async converge(spec: GatewaySpec, place: ContainerPlace, graceSeconds: number, signal: AbortSignal): Promise<void> {
    const hash = specHash(spec, place);
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const found = await this.find(spec.id, signal);
      if (found?.foreign) {
        throw new DriverError(
          'engine-refused',
          `A container named ${place.name} exists that is not this installation's; remove or rename it.`,
          false,
        );
      }
      const usable =
        found !== undefined &&
        isUsable(found.info, hash) &&
        (await changeLimits(this.docker, found.info, spec.resources, signal));
      if (usable) return this.#start(found.info, signal);
      if (found) await this.discard(found.info, graceSeconds, signal);
      const created = await callUnless(409, signal, ENGINE_LIMITS.change, (abortSignal) =>
        this.docker.createContainer({ ...containerOptions(spec, place), abortSignal }),
      );
      if (created) return this.#startNew(created.id, signal);
      // The name was taken in between: by another worker of ours or a removal that is still under way. Look again.
      await delay(REMOVAL_POLL, signal);
    }
    throw new DriverError(
      'engine-refused',
      `The name ${place.name} stays taken; another process works on the same gateway.`,
      true,
    );
  }

  /** Freezes it; a container that does not run is the engine's conflict. */
  async pause({ Id }: Docker.ContainerInspectInfo, signal: AbortSignal): Promise<void> {
    const container = this.docker.getContainer(Id);
    try {
      await callEngine(signal, ENGINE_LIMITS.change, (abortSignal) => container.pause({ abortSignal }));
    } catch (error) {
      // Frozen by somebody else meanwhile: that is what was asked for.
      if (statusOfFailure(error) === undefined || !(await this.#inspect(Id, signal))?.State.Paused) throw error;
    }
  }

  async resume({ Id }: Docker.ContainerInspectInfo, signal: AbortSignal): Promise<void> {
    const container = this.docker.getContainer(Id);
    try {
      await callEngine(signal, ENGINE_LIMITS.change, (abortSignal) => container.unpause({ abortSignal }));
    } catch (error) {
      // Thawed, ended or removed by somebody else meanwhile.
      if (statusOfFailure(error) === undefined || (await this.#inspect(Id, signal))?.State.Paused) throw error;
    }
  }

  /** Resolves once its process has ended, or when it is gone altogether. A frozen one is thawed: it has to hear of its end. */
  async stop(info: Docker.ContainerInspectInfo, graceSeconds: number, signal: AbortSignal): Promise<void> {
    if (info.State.Paused) await this.resume(info, signal);
    const container = this.docker.getContainer(info.Id);
    const limit = graceSeconds * 1_000 + ENGINE_LIMITS.change;
    await unlessGone(() =>
      callUnless(304, signal, limit, (abortSignal) => container.stop({ t: graceSeconds, abortSignal })),
    );
  }

  /** Stops and removes it, and waits until the engine has let go of its name. */
  async discard(info: Docker.ContainerInspectInfo, graceSeconds: number, signal: AbortSignal): Promise<void> {
    if (isAlive(info)) await this.stop(info, graceSeconds, signal);
    const container = this.docker.getContainer(info.Id);
    // 409: a removal that was started before (by a caller that was killed) is under way.
    await unlessGone(() =>
      callUnless(409, signal, ENGINE_LIMITS.change, (abortSignal) =>
        container.remove({ force: true, v: true, abortSignal }),
      ),
    );
    const end = Date.now() + ENGINE_LIMITS.change;
    while (await this.#inspect(info.Id, signal)) {
      if (Date.now() > end)
        throw new DriverError('engine-timeout', `The engine does not finish removing ${info.Name}.`, true);
      await delay(REMOVAL_POLL, signal);
    }
  }

  async #start(info: Docker.ContainerInspectInfo, signal: AbortSignal): Promise<void> {
    const container = this.docker.getContainer(info.Id);
    if (info.State.Restarting) {
      // Waiting for its next automatic restart: do it now, so that something runs when this resolves.
      return callEngine(signal, ENGINE_LIMITS.change, (abortSignal) => container.restart({ t: 0, abortSignal }));
    }
    if (info.State.Paused) return this.resume(info, signal);
    if (!info.State.Running) await this.#startNew(info.Id, signal);
  }

  async #startNew(containerId: string, signal: AbortSignal): Promise<void> {
    const container = this.docker.getContainer(containerId);
    await callUnless(304, signal, ENGINE_LIMITS.change, (abortSignal) => container.start({ abortSignal }));
  }

  #inspect(nameOrId: string, signal: AbortSignal): Promise<Docker.ContainerInspectInfo | undefined> {
    return callUnless(404, signal, ENGINE_LIMITS.read, (abortSignal) =>
      this.docker.getContainer(nameOrId).inspect({ abortSignal }),
    );
  }
}

const isUsable = ({ Config, State }: Docker.ContainerInspectInfo, hash: string): boolean =>
  Config.Labels[LABELS.spec] === hash && !State.Dead && State.Status !== 'removing';

/** Somebody else was faster: what should be gone is gone. */
async function unlessGone(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (statusOfFailure(error) !== 404) throw error;
  }
}
