import type { GatewayState } from '#libs/drivers/core';
import type Docker from 'dockerode';
import { LABELS } from './container-spec.js';

/** Podman's word for one that was asked to end and has not yet. */
const STOPPING = 'stopping';

/** Something of it exists in memory, at work or frozen. Between two automatic restarts the engine says so too. */
export const isAlive = ({ State }: Docker.ContainerInspectInfo): boolean =>
  State.Running || State.Paused || (State.Status as string) === STOPPING;

export function stateOf(info: Docker.ContainerInspectInfo): GatewayState {
  const { State, Config, NetworkSettings } = info;
  const generation = Number(Config.Labels[LABELS.generation]);
  // Between two restarts nothing runs, whatever the engine's "Running" says.
  if (!isAlive(info) || State.Restarting) {
    const exitCode = State.Status === 'created' ? null : State.ExitCode;
    return { status: 'stopped', generation, exitCode, oomKilled: State.OOMKilled };
  }
  const host = Object.values(NetworkSettings.Networks)[0]?.IPAddress ?? '';
  const address = {
    host,
    port: Number(Config.Labels[LABELS.port]),
    controlPort: Number(Config.Labels[LABELS.controlPort]),
  };
  return { status: State.Paused ? 'paused' : 'running', generation, address, startedAt: State.StartedAt };
}
