import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import type Docker from 'dockerode';
import type { FileOwner, GatewayResources, GatewaySpec } from '#libs/drivers/core';
import type { EngineKind } from './engine-kind.js';

export const LABELS = {
  instance: 'wirebot.instance',
  gateway: 'wirebot.gateway',
  generation: 'wirebot.generation',
  spec: 'wirebot.spec',
  port: 'wirebot.port',
  controlPort: 'wirebot.control-port',
} as const;

export const STATE_IN_CONTAINER = '/state';
export const SECRETS_IN_CONTAINER = '/run/secrets/wirebot';

/** Raise when the container contract below changes, so that running gateways are replaced by ones that follow it. */
const CONTRACT = 2;

/** Limits every gateway gets besides its own resources. */
const FIXED = {
  temporaryBytes: 64 * 1024 * 1024,
  restarts: 5,
  logSize: '5m',
  logFiles: '2',
  openFiles: 4096,
  /** Seconds the engine itself waits after SIGTERM when it has to end a container. */
  stopTimeout: 25,
} as const;

/** Everything one container needs to know besides its gateway's spec. */
export interface ContainerPlace {
  readonly name: string;
  readonly instance: string;
  readonly engine: EngineKind;
  readonly network: string;
  readonly address: string;
  readonly user: FileOwner;
  readonly stateDirectory: string;
  readonly secretsDirectory: string;
}

/** The container contract (docs/drivers.md). Nothing secret may be in it: whoever can use the engine can read it. */
export function containerOptions(spec: GatewaySpec, place: ContainerPlace): Docker.ContainerCreateOptions {
  const user = `${place.user.uid}:${place.user.gid}`;
  return {
    name: place.name,
    Image: spec.image,
    User: user,
    Hostname: spec.id.slice(0, 63).replaceAll('_', '-'),
    Env: environment(spec),
    Labels: {
      [LABELS.instance]: place.instance,
      [LABELS.gateway]: spec.id,
      [LABELS.generation]: String(spec.generation),
      [LABELS.spec]: specHash(spec, place),
      [LABELS.port]: String(spec.port),
      [LABELS.controlPort]: String(spec.controlPort),
    },
    StopTimeout: FIXED.stopTimeout,
    HostConfig: hostConfig(spec, place),
    NetworkingConfig: { EndpointsConfig: { [place.network]: { IPAMConfig: { IPv4Address: place.address } } } },
  };
}

function hostConfig({ resources }: GatewaySpec, place: ContainerPlace): Docker.HostConfig {
  return {
    NetworkMode: place.network,
    ReadonlyRootfs: true,
    CapDrop: ['ALL'],
    SecurityOpt: ['no-new-privileges'],
    ...limitsOf(resources),
    Ulimits: [
      { Name: 'nofile', Soft: FIXED.openFiles, Hard: FIXED.openFiles },
      { Name: 'core', Soft: 0, Hard: 0 }, // a core file would put secrets on the disk
      ...(place.engine === 'podman' ? [USER_PROCESSES] : []),
    ],
    Tmpfs: { '/tmp': `rw,noexec,nosuid,nodev,mode=1777,size=${FIXED.temporaryBytes}` },
    // As mounts, not binds: a missing folder is then an error instead of a new empty one that belongs to root.
    Mounts: [
      { Type: 'bind', Source: place.stateDirectory, Target: STATE_IN_CONTAINER },
      { Type: 'bind', Source: place.secretsDirectory, Target: SECRETS_IN_CONTAINER, ReadOnly: true },
    ],
    RestartPolicy: { Name: 'on-failure', MaximumRetryCount: FIXED.restarts },
    ...(place.engine === 'podman' ? withoutIpv6() : {}),
    LogConfig: { Type: 'json-file', Config: { 'max-size': FIXED.logSize, 'max-file': FIXED.logFiles } },
  };
}

/**
 * Podman sets this limit whether it is asked to or not, to more than a machine without CAP_SYS_RESOURCE may give. It counts
 * all gateways of the host together; what one may have is PidsLimit.
 */
const USER_PROCESSES = { Name: 'nproc', Soft: 32_768, Hard: 32_768 };

/** Docker does so by itself on a network without IPv6; Podman leaves link-local addresses, which reach the neighbours. */
const withoutIpv6 = (): Docker.HostConfig =>
  existsSync('/proc/sys/net/ipv6') ? { Sysctls: { 'net.ipv6.conf.all.disable_ipv6': '1' } } : {};

/** What the engine can change while a container runs. */
export const limitsOf = ({ cpus, memoryBytes, pids }: GatewayResources) => ({
  PidsLimit: pids,
  Memory: memoryBytes,
  MemorySwap: memoryBytes, // the same value: no swap
  NanoCpus: Math.round(cpus * 1e9),
});

const environment = (spec: GatewaySpec): string[] =>
  Object.entries({
    ...spec.environment,
    WIREBOT_GATEWAY_ID: spec.id,
    WIREBOT_STATE_DIR: STATE_IN_CONTAINER,
    WIREBOT_SECRETS_DIR: SECRETS_IN_CONTAINER,
    WIREBOT_LISTEN_HOST: '0.0.0.0',
    WIREBOT_PORT: String(spec.port),
    WIREBOT_CONTROL_PORT: String(spec.controlPort),
  }).map(([name, value]) => `${name}=${value}`);

/** Equal for containers that need no replacement. Secrets and limits stay outside: they change without a restart. */
export function specHash(spec: GatewaySpec, place: ContainerPlace): string {
  const { id, kind, runtime, generation, image, port, controlPort } = spec;
  const environmentInOrder = Object.entries(spec.environment).sort(([a], [b]) => (a < b ? -1 : 1));
  const parts = [
    CONTRACT,
    id,
    kind,
    runtime,
    generation,
    image,
    port,
    controlPort,
    environmentInOrder,
    Object.values(placeParts(place)),
  ];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
}

const placeParts = ({ network, address, user, stateDirectory, secretsDirectory }: ContainerPlace) => ({
  network,
  address,
  uid: user.uid,
  gid: user.gid,
  stateDirectory,
  secretsDirectory,
});
