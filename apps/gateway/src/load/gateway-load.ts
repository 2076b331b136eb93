import type { GatewayLoad } from '#libs/contracts';
import type { LoopDelay } from './loop-delay.js';

/** What the process has to bear right now. */
export const loadOf = (delay: LoopDelay): GatewayLoad => ({
  eventLoopP99Ms: Math.round(delay.p99() * 10) / 10,
  rssBytes: process.memoryUsage.rss(),
  memoryLimitBytes: cgroupLimit(process.constrainedMemory()) ?? heapLimit(),
});

/** Undefined where no cgroup sets one; the kernel then says 0, or more than any machine has. */
export const cgroupLimit = (constrained: number): number | undefined =>
  constrained > 0 && constrained < Number.MAX_SAFE_INTEGER ? constrained : undefined;

/** Without a cgroup the heap's limit is what ends first. */
const heapLimit = (): number => process.getBuiltinModule('node:v8').getHeapStatistics().heap_size_limit;
