/** Waiting times between attempts to connect, in milliseconds. */
export const RECONNECT = { base: 500, cap: 20_000 } as const;

/** Exponential with jitter, so that the pages of a restarted gateway do not all come back in the same moment. */
export const reconnectDelay = (attempt: number, random: () => number): number =>
  Math.round(Math.min(RECONNECT.cap, RECONNECT.base * 2 ** Math.min(attempt, 20)) * (0.5 + random() / 2));
