import type { GatewayLoad } from '#libs/contracts';
import { totalmem } from 'node:os';
import { getHeapStatistics } from 'node:v8';
import type { LoopDelay } from './loop-delay.js';

/** What the process has to bear right now. */
export const loadOf = (delay: LoopDelay): GatewayLoad => ({
  eventLoopP99Ms: Math.round(delay.p99() * 10) / 10,
  rssBytes: process.memoryUsage.rss(),
  memoryLimitBytes: memoryLimit(process.constrainedMemory(), totalmem(), getHeapStatistics().heap_size_limit),
});

/** Where no cgroup sets a limit the kernel answers 0 or more than the machine has; then the heap's limit is what ends first. */
export const memoryLimit = (constrained: number, machine: number, heap: number): number =>
  constrained > 0 && constrained < machine ? constrained : heap;
