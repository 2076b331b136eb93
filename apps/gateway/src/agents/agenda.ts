/** What an agent has to do without being asked: jobs at their time, answers that are on their way to a channel. */
export interface Agenda {
  /** When its next job is due; null: none is. */
  nextJobAt(): Date | null;
  /** Answers that are not delivered yet. */
  undelivered(): number;
}

/** An agent that acts only when it is asked. */
export const NOTHING_DUE: Agenda = { nextJobAt: () => null, undelivered: () => 0 };
