/**
 * What should run. Changing anything but `secrets` and `resources` replaces the running gateway; its state directory stays.
 * Other resources are given to it alive, as `adjust` does.
 */
export interface GatewaySpec {
  readonly id: string;
  readonly kind: 'shared' | 'dedicated';
  readonly runtime: string;
  /** Rises when the spec changes; written on the gateway so that an old one is recognised. */
  readonly generation: number;
  /** Docker: image reference or id. Process: path of the bundled gateway. */
  readonly image: string;
  /** The registered port, unique per host; `controlPort` is the control listener's. */
  readonly port: number;
  readonly controlPort: number;
  readonly resources: GatewayResources;
  /** Nothing secret in here: it is visible to whoever can inspect the host. */
  readonly environment: Readonly<Record<string, string>>;
  /** Relative path in the secrets directory -> value. The whole set: what is not listed is removed. */
  readonly secrets: Readonly<Record<string, string>>;
}

export interface GatewayResources {
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly pids: number;
}

/** Where the host reaches a running gateway. */
export interface GatewayAddress {
  readonly host: string;
  readonly port: number;
  readonly controlPort: number;
}

/** `paused`: its process exists and is frozen; it answers nothing, and goes on within milliseconds of `resume`. */
export type GatewayState =
  | { readonly status: 'absent' }
  | {
      readonly status: 'paused';
      readonly generation: number;
      readonly address: GatewayAddress;
      readonly startedAt: string;
    }
  | {
      readonly status: 'stopped';
      readonly generation: number;
      readonly exitCode: number | null;
      readonly oomKilled: boolean;
    }
  | {
      readonly status: 'running';
      readonly generation: number;
      readonly address: GatewayAddress;
      readonly startedAt: string;
    };

export interface GatewayInventoryEntry {
  readonly id: string;
  readonly generation: number;
  readonly running: boolean;
}

/** What a host uses and has; null: the host cannot tell. */
export interface HostUsage {
  readonly cpus: number;
  readonly memoryBytes: number;
  /** Of the file system that holds the state directories. */
  readonly disk: { readonly totalBytes: number; readonly freeBytes: number } | null;
}

/** One gateway's use of its host at a moment; null: not known. */
export interface GatewayStats {
  readonly memoryBytes: number | null;
  /** Seconds of processor time since its start. */
  readonly cpuSeconds: number | null;
  readonly pids: number | null;
  /** Of its state directory, as the disk counts (st_blocks). */
  readonly diskBytes: number;
}

/**
 * Runs gateways on one host. Calls are idempotent and safe to repeat after a crash at any point; a missing gateway is
 * `absent`, not an error. Errors are DriverErrors that say whether another try can help. An instance sees only what
 * carries its own instance label: nothing else on the engine is ever touched.
 */
export abstract class GatewayDriver {
  abstract readonly name: 'docker' | 'process' | 'kubernetes';
  /** Makes the host ready (network, folders). Idempotent; called once at start and again after an outage. */
  abstract prepare(signal: AbortSignal): Promise<HostFacts>;
  /** Resolves once the process of exactly this spec runs (a paused one is resumed); not necessarily ready. Replaces another generation's. */
  abstract ensure(spec: GatewaySpec, signal: AbortSignal): Promise<GatewayAddress>;
  /** Rewrites the secrets directory without touching the process. */
  abstract writeSecrets(id: string, secrets: Readonly<Record<string, string>>, signal: AbortSignal): Promise<void>;
  abstract inspect(id: string, signal: AbortSignal): Promise<GatewayState>;
  /**
   * What the reference means on this host now, as it is put into a spec: the image's id, or the bundle's absolute path. A tag
   * may mean something else tomorrow, so it is resolved once. Throws `image-missing`.
   */
  abstract resolveImage(reference: string, signal: AbortSignal): Promise<string>;
  /** SIGTERM, then SIGKILL after `graceSeconds`. Resolves once nothing of it runs; keeps its state. */
  abstract stop(id: string, graceSeconds: number, signal: AbortSignal): Promise<void>;
  /** Resolves once nothing of the gateway runs any more and its secrets are gone; its state directory stays. */
  abstract remove(id: string, signal: AbortSignal): Promise<void>;
  /** Deletes the state directory of a removed gateway with its kept copies; refuses while it runs. */
  abstract destroyState(id: string, signal: AbortSignal): Promise<void>;
  /** Everything of this instance, running or not. */
  abstract list(signal: AbortSignal): Promise<GatewayInventoryEntry[]>;
  /** Yields the id of a gateway whose process ended or started, until the signal aborts. Gaps are allowed: callers also poll. */
  abstract watch(signal: AbortSignal): AsyncIterable<string>;
  /** The last `lines` lines of output, oldest first. */
  abstract logs(id: string, lines: number, signal: AbortSignal): Promise<string[]>;
  /** Freezes it: no processor time, memory kept. Idempotent. Throws `engine-refused` (not retryable) when it does not run. */
  abstract pause(id: string, signal: AbortSignal): Promise<void>;
  /** Thaws it. Idempotent: also of one that runs. Resolves without effect when it is stopped or absent. */
  abstract resume(id: string, signal: AbortSignal): Promise<void>;
  /** Gives a running or paused gateway other limits without a restart. What cannot be changed alive comes with its next start. */
  abstract adjust(id: string, resources: GatewayResources, signal: AbortSignal): Promise<void>;
  abstract stats(id: string, signal: AbortSignal): Promise<GatewayStats>;
  abstract usage(signal: AbortSignal): Promise<HostUsage>;
  /**
   * Copies the state directory of a gateway that does not run beside it, under a name of its own (`[a-z0-9-]{1,32}`), so that
   * it can be put back. Whole or not at all: a copy that a crash cut short is not there. Replaces an older one of the name.
   */
  abstract keepState(id: string, name: string, signal: AbortSignal): Promise<void>;
  /** Puts a kept copy in place of the state directory of a gateway that does not run; the copy stays. */
  abstract restoreState(id: string, name: string, signal: AbortSignal): Promise<void>;
  /** Deletes a kept copy; also when there is none. */
  abstract dropState(id: string, name: string, signal: AbortSignal): Promise<void>;
  /** Ids that have a state directory here, and the kept copies of each. */
  abstract listStates(signal: AbortSignal): Promise<{ readonly id: string; readonly kept: readonly string[] }[]>;
}

/** How a host's engine is reached and where its gateways' folders lie. Stored in `hosts.connection`. */
export type HostConnection =
  /** The engine or process host beside the control plane, as configured by its environment. */
  | {
      readonly kind: 'local';
      /** Another folder of it: a second host of processes, apart from the first. */ readonly dataDir?: string;
    }
  | ({ readonly kind: 'unix'; readonly socketPath: string } & HostFolders)
  | ({ readonly kind: 'tls'; readonly host: string; readonly port: number } & HostFolders)
  | ({
      readonly kind: 'ssh';
      readonly host: string;
      readonly port: number;
      readonly user: string;
      /** The engine's socket there; Docker's usual place when it is missing. */
      readonly socketPath?: string | undefined;
    } & HostFolders);

/** Absolute paths, the same here and on the engine's machine. */
export interface HostFolders {
  readonly stateRoot: string;
  readonly secretsRoot: string;
}

/** What authenticates to a remote engine; secret. */
export interface HostCredentials {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** SSH: the host key's fingerprint (`SHA256:...`) that is expected. */
  readonly hostKey?: string;
}

export interface HostFacts {
  /** Address of the host as gateways see it: where the model broker must listen. */
  readonly hostAddressForGateways: string;
  /** Isolation in a sentence, for people. */
  readonly isolation: string;
}
