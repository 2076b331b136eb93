import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GatewayResources } from '#libs/drivers/core';

const ROOT = '/sys/fs/cgroup';

/** The limits a process is under as the kernel has them, whatever an engine remembers. Knows both versions of cgroups. */
export function cgroupLimits(pid: number): GatewayResources {
  const lines = readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('\n');
  const groups = lines.map((line) => line.split(':') as [string, string, string]);
  const inUnified = groups.find(([number]) => number === '0')?.[2] ?? '/';
  const read = (controller: string, legacyFile: string, unifiedFile: string): string => {
    const legacy = groups.find(([, names]) => names.split(',').includes(controller));
    const path = legacy ? join(ROOT, controller, legacy[2], legacyFile) : join(ROOT, inUnified, unifiedFile);
    return readFileSync(path, 'utf8').trim();
  };
  const legacyCpu = groups.some(([, names]) => names.split(',').includes('cpu'));
  const [quota, period] = legacyCpu
    ? [read('cpu', 'cpu.cfs_quota_us', ''), read('cpu', 'cpu.cfs_period_us', '')]
    : read('', '', 'cpu.max').split(' ');
  return {
    cpus: Number(quota) / Number(period),
    memoryBytes: Number(read('memory', 'memory.limit_in_bytes', 'memory.max')),
    pids: Number(read('pids', 'pids.max', 'pids.max')),
  };
}
