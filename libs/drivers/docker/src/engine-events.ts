import { backoff, delay } from '#libs/kernel';
import type Docker from 'dockerode';
import { LABELS } from './container-spec.js';

/** Milliseconds between two attempts to listen again after the engine went away. */
const RECONNECT = { base: 200, cap: 5_000 } as const;
/** `died` is Podman's word for `die`. */
const EVENTS = ['start', 'die', 'died', 'oom', 'destroy'];

interface EngineEvent {
  readonly Actor?: { readonly Attributes?: Readonly<Record<string, string>> };
}

/**
 * Ids of this instance's gateways whose container started or ended. Listens again when the engine was away; what
 * happened in between is not told. Ends without an error when the signal aborts.
 */
export async function* watchContainers(docker: Docker, instance: string, signal: AbortSignal): AsyncGenerator<string> {
  let failures = 0;
  while (!signal.aborted) {
    try {
      for await (const event of listen(docker, instance, signal)) {
        failures = 0;
        const id = event.Actor?.Attributes?.[LABELS.gateway];
        if (id) yield id;
      }
    } catch (error) {
      // An engine that is away is a matter for the calls that need it; here it only means to listen again later.
      if (signal.aborted) return;
      if (!isConnectionFailure(error)) throw error;
    }
    await delay(backoff(failures, RECONNECT.base, RECONNECT.cap), signal).catch(ignoreAbort(signal));
    failures += 1;
  }
}

async function* listen(docker: Docker, instance: string, signal: AbortSignal): AsyncGenerator<EngineEvent> {
  const filters = { type: ['container'], event: EVENTS, label: [`${LABELS.instance}=${instance}`, LABELS.gateway] };
  const stream = await docker.getEvents({ filters: JSON.stringify(filters), abortSignal: signal });
  let rest = '';
  for await (const chunk of stream) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line.trim() !== '') yield JSON.parse(line) as EngineEvent;
  }
}

const isConnectionFailure = (error: unknown): boolean =>
  error instanceof Error && (('code' in error && typeof error.code === 'string') || 'statusCode' in error);

const ignoreAbort = (signal: AbortSignal) => (error: unknown) => {
  if (!signal.aborted) throw error;
};
