import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { DriverError } from '#libs/drivers/core';
import { deadline } from '#libs/kernel';

const run = promisify(execFile);
/** Milliseconds one call may take; usual are 5. */
const LIMIT = 5_000;
const PATH = '/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin';
/** The last to be asked: every other route to that range, the bridge's own first, goes before. */
const LAST = '4278198272';

/**
 * What Podman's networks lack. Both are for the range, so that they also hold for what the engine starts by itself:
 *
 * - What two containers send each other over their bridge is dropped. What they and the host send each other does not pass
 *   there.
 * - The bridge is gone while no container runs. Calls to gateways, and the credentials in them, would then take the default
 *   route to whoever has such an address out there.
 */
export async function raiseBarriers(subnet: string, signal: AbortSignal): Promise<void> {
  const rules = await command(signal, 'ebtables', '-L', 'FORWARD');
  if (!rules.includes(`--ip-src ${subnet} --ip-dst ${subnet} -j DROP`))
    await command(signal, 'ebtables', '-I', 'FORWARD', '1', ...dropRule(subnet));
  await command(signal, 'ip', 'route', 'replace', ...noRoad(subnet));
}

export const dropRule = (subnet: string): string[] => {
  return ['-p', 'IPv4', '--ip-source', subnet, '--ip-destination', subnet, '-j', 'DROP'];
};

export const noRoad = (subnet: string): string[] => ['unreachable', subnet, 'metric', LAST];

async function command(signal: AbortSignal, program: 'ebtables' | 'ip', ...args: string[]): Promise<string> {
  signal.throwIfAborted();
  const bounded = deadline(LIMIT, signal);
  try {
    return (await run(program, args, { signal: bounded, env: { PATH } })).stdout;
  } catch (error) {
    signal.throwIfAborted();
    const { code, stderr } = error as { code?: string | number; stderr?: string };
    const reason = bounded.aborted ? 'no answer' : code === 'ENOENT' ? 'not installed' : (stderr ?? '').trim();
    throw new DriverError(
      'engine-refused',
      `Podman's networks keep gateways apart only with the help of ${program}, which fails (${reason}). Install ebtables and ip (Debian: iptables, iproute2) and run as root, or use Docker's engine.`,
      bounded.aborted,
      { cause: error },
    );
  }
}
