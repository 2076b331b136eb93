import { Agent as HttpsAgent } from 'node:https';
import Docker from 'dockerode';
import { type SshAddress, SshLine } from './ssh-line.js';

/** Where an engine answers, and what opens it. */
export type EngineAddress =
  | { readonly kind: 'unix'; readonly socketPath: string }
  | ({ readonly kind: 'ssh' } & SshAddress)
  | {
      readonly kind: 'tls';
      readonly host: string;
      readonly port: number;
      /** PEM. The engine's certificate must be of this authority, and ours of the engine's. */
      readonly ca: string;
      readonly cert: string;
      readonly key: string;
    };

/** Connections kept for the next call; a handshake takes longer than most calls. */
const KEPT = { sockets: 4, milliseconds: 15_000 } as const;
/** docker-modem takes what is not said from DOCKER_HOST and its companions: an engine is only ever the one that is meant. */
const NOTHING_INHERITED = {
  host: undefined,
  port: undefined,
  username: undefined,
  socketPath: undefined,
  ca: undefined,
  cert: undefined,
  key: undefined,
  timeout: undefined,
  agent: undefined,
  pathPrefix: '/',
  protocol: 'http',
} as const;

export const openEngine = (at: EngineAddress): Docker =>
  new Docker({ ...NOTHING_INHERITED, ...connectionOf(at) } as Docker.DockerOptions);

function connectionOf(at: EngineAddress): Docker.DockerOptions & { agent?: object } {
  if (at.kind === 'unix') return { socketPath: at.socketPath };
  // The name is never looked up: the line leads to the engine's socket.
  if (at.kind === 'ssh') return { host: 'engine', port: 80, agent: new SshLine(at) };
  const { host, port, ca, cert, key } = at;
  const agent = new HttpsAgent({
    ca,
    cert,
    key,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    keepAlive: true,
    maxFreeSockets: KEPT.sockets,
    timeout: KEPT.milliseconds,
  });
  return { protocol: 'https', host, port, ca, cert, key, agent };
}
