import { delay } from '#libs/kernel';

/** Two passes that lock an agent and its gateway in opposite orders meet again at most so often. */
const TRIES = 4;
const PAUSE_MS = 20;

/**
 * An agent's pass holds its agent and then changes the gateway; a gateway's pass holds its gateway and then makes its agents
 * due. PostgreSQL ends one of two that wait for each other: nothing of it was written, so it is simply run again.
 */
export async function unlessDeadlocked<T>(transaction: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await transaction();
    } catch (error) {
      if (attempt === TRIES || !isDeadlock(error)) throw error;
      await delay(PAUSE_MS * attempt * (0.5 + Math.random()));
    }
  }
}

/** Statements of Prisma's own say it by their code, raw ones by what the adapter's error says of its cause. */
function isDeadlock(error: unknown): boolean {
  if (!(error instanceof Object)) return false;
  const { code, kind, cause, meta } = error as { code?: unknown; kind?: unknown; cause?: unknown; meta?: unknown };
  if (code === 'P2034' || kind === 'TransactionWriteConflict') return true;
  return isDeadlock(cause) || isDeadlock((meta as { driverAdapterError?: unknown } | undefined)?.driverAdapterError);
}
