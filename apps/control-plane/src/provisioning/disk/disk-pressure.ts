/** Share of its limit from which an agent's folder is under pressure, and below which it is no more. */
const FROM = 0.9;
const UNTIL = 0.85;

export type Pressure = 'full' | 'high' | 'none';

/** `before`: what was said last, so that one that goes up and down around the limit is not told of each time. */
export function pressureOf(usedBytes: number | null, limitBytes: number | null, before: boolean): Pressure {
  if (usedBytes === null || limitBytes === null) return 'none';
  if (usedBytes >= limitBytes) return 'full';
  return usedBytes >= limitBytes * (before ? UNTIL : FROM) ? 'high' : 'none';
}

const mebibytes = (bytes: number): string => `${Math.round(bytes / 1024 / 1024)} MiB`;

export function pressureMessage(pressure: Pressure, usedBytes: number | null, limitBytes: number | null): string {
  if (pressure === 'none' || usedBytes === null || limitBytes === null)
    return 'There is room in the folder of the agent.';
  const use = `The agent keeps ${mebibytes(usedBytes)} of the ${mebibytes(limitBytes)} that its tier allows.`;
  return pressure === 'full'
    ? `${use} It takes no new messages until something is deleted or the tier allows more; nothing is lost.`
    : `${use} When that is reached it takes no new messages.`;
}
