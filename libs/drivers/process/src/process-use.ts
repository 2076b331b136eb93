import { readFile } from 'node:fs/promises';
import type { GatewayStats } from '#libs/drivers/core';

/** The kernel's unit of processor time; 100 a second on every Linux that Node runs on (sysconf(_SC_CLK_TCK)). */
const TICKS_PER_SECOND = 100;

/** What a process uses, from /proc; null where there is none, and of one that has ended. */
export async function readUse(pid: number): Promise<Omit<GatewayStats, 'diskBytes'>> {
  const [status, stat] = await Promise.all([readOptional(`/proc/${pid}/status`), readOptional(`/proc/${pid}/stat`)]);
  const ofStatus = (name: string): number | null => {
    const value = new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1];
    return value === undefined ? null : Number(value);
  };
  const kilobytes = ofStatus('VmRSS');
  return {
    memoryBytes: kilobytes === null ? null : kilobytes * 1024,
    cpuSeconds: processorSeconds(stat),
    // As an engine's limit counts: threads, not processes.
    pids: ofStatus('Threads'),
  };
}

/** Fields 14 and 15 of proc(5), counted from the last bracket because a command's name may hold spaces. */
function processorSeconds(stat: string): number | null {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[11]) + Number(fields[12]);
  return Number.isNaN(ticks) ? null : ticks / TICKS_PER_SECOND;
}

async function readOptional(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ESRCH') return '';
    throw error;
  }
}
