import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import { eventually } from '#libs/testing';
import { findProgram, installPackages } from '../../../../../tools/docker/packages.js';

/** Debian's OpenSSH server on a port of its own, with a host key and one user key that were made for it. */
export interface SshServer {
  readonly port: number;
  /** `SHA256:...` of its host key. */
  readonly hostKey: string;
  /** Private keys, OpenSSH format: the one it lets in, and one that nobody knows. */
  readonly userKey: string;
  readonly strangersKey: string;
  /** Cuts every connection, as a restart of the server does; new ones are taken again afterwards. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export async function startSshServer(folder: string, lines: readonly string[] = []): Promise<SshServer> {
  await installPackages([{ program: 'sshd', name: 'openssh-server' }], {
    onSay: () => undefined,
    otherwise: 'This test needs an SSH server',
    programsOnly: true,
  });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  const [host, user, stranger] = [newKey(), newKey(), newKey()];
  const port = await freePort();
  const file = (name: string, content: string): string => {
    writeFileSync(join(folder, name), content, { mode: 0o600 });
    return join(folder, name);
  };
  const config = file(
    'sshd_config',
    [
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${file('host.key', host.private)}`,
      `AuthorizedKeysFile ${file('authorized_keys', user.public)}`,
      'PidFile none',
      'UsePAM no',
      'StrictModes no',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'PermitRootLogin prohibit-password',
      'AllowTcpForwarding local',
      ...lines,
      '',
    ].join('\n'),
  );
  const program = (await findProgram('sshd'))!;
  let server = await listening(program, config, port);
  return {
    port,
    hostKey: fingerprintOf(host.public),
    userKey: user.private,
    strangersKey: stranger.private,
    restart: async () => {
      await end(server);
      server = await listening(program, config, port);
    },
    stop: () => end(server),
  };
}

async function listening(program: string, config: string, port: number): Promise<ChildProcess> {
  const server = spawn(program, ['-D', '-e', '-f', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  server.stderr!.on('data', (chunk) => (said += String(chunk)));
  await eventually(`sshd listens on ${port}`, async () => {
    if (server.exitCode !== null) throw new Error(`sshd ended: ${said}`);
    return said.includes('Server listening');
  });
  return server;
}

async function end(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const ended = once(server, 'exit');
  // Connections are processes of sessions of their own, and outlive the server otherwise.
  for (const pid of [...connectionsOf(server.pid!), server.pid!]) process.kill(pid, 'SIGKILL');
  await ended;
}

/** Children, and theirs: a connection is a privileged process with one that is not. */
function connectionsOf(server: number): number[] {
  const children = readdirSync('/proc').flatMap((name) => {
    const stat = /^\d+$/.test(name) ? readStat(name) : '';
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    return parent === server ? [Number(name)] : [];
  });
  return children.flatMap((pid) => [...connectionsOf(pid), pid]);
}

function readStat(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return ''; // ended meanwhile
  }
}

const newKey = (): { private: string; public: string } => ssh2.utils.generateKeyPairSync('ed25519');

const fingerprintOf = (publicKey: string): string =>
  `SHA256:${createHash('sha256')
    .update(Buffer.from(publicKey.split(' ')[1]!, 'base64'))
    .digest('base64')}`;

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
