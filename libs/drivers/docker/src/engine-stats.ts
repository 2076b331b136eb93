import type { HostUsage } from '#libs/drivers/core';
import type Docker from 'dockerode';
import { callEngine, callUnless, ENGINE_LIMITS } from './engine-call.js';

export interface ContainerUse {
  readonly memoryBytes: number | null;
  readonly cpuSeconds: number | null;
  readonly pids: number | null;
}

export const NOTHING_KNOWN: ContainerUse = { memoryBytes: null, cpuSeconds: null, pids: null };

/** One look at a container that lives, also a frozen one. Nothing is known of one that has ended. */
export async function readUse(container: Docker.Container, signal: AbortSignal): Promise<ContainerUse> {
  const options = { stream: false as const, 'one-shot': true };
  const stats = await callUnless(404, signal, ENGINE_LIMITS.read, (abortSignal) =>
    container.stats({ ...options, abortSignal } as typeof options),
  );
  return stats ? useOf(stats) : NOTHING_KNOWN;
}

/** Zeroes throughout are what engines say of a container that has ended. */
export function useOf({ memory_stats: memory, cpu_stats: cpu, pids_stats: pids }: Docker.ContainerStats): ContainerUse {
  if (!memory?.usage) return NOTHING_KNOWN;
  return {
    memoryBytes: Math.max(0, memory.usage - reclaimable(memory.stats)),
    cpuSeconds: cpu.cpu_usage.total_usage / 1e9,
    pids: pids?.current ?? null,
  };
}

/** File pages nobody has used for a while are given back when memory is short. Their name differs by cgroup version. */
const reclaimable = (stats: Docker.MemoryStats['stats'] | undefined): number =>
  stats?.total_inactive_file ?? stats?.inactive_file ?? 0;

export async function readCapacity(
  docker: Docker,
  signal: AbortSignal,
): Promise<Pick<HostUsage, 'cpus' | 'memoryBytes'>> {
  const ask = docker.info.bind(docker) as (options: object) => Promise<{ NCPU: number; MemTotal: number }>;
  const { NCPU, MemTotal } = await callEngine(signal, ENGINE_LIMITS.read, (abortSignal) => ask({ abortSignal }));
  return { cpus: NCPU, memoryBytes: MemTotal };
}
