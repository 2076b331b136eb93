import type { AgentConfig, SessionView } from '#libs/contracts';
import { estimateTokens, type ModelMessage } from '#libs/providers';

type StoredMessage = Pick<SessionView['messages'][number], 'role' | 'text'>;

/** Time of day as the member's clock shows it; falls back to UTC when the configured zone is unknown here. */
function localTime(now: Date, timeZone: string): string {
  const format = (zone: string) =>
    new Intl.DateTimeFormat('en-GB', { timeZone: zone, dateStyle: 'full', timeStyle: 'short' }).format(now);
  try {
    return `${format(timeZone)} (${timeZone})`;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return `${format('UTC')} (UTC)`;
  }
}

export const systemPrompt = (agent: AgentConfig, now: Date): string =>
  [
    `You are the AI agent of ${agent.memberName}, provided by ${agent.brand}. You speak in the name of ${agent.brand}.`,
    `It is ${localTime(now, agent.timeZone)} for ${agent.memberName}; their locale is ${agent.locale}.`,
    'Be helpful, concrete and brief. Answer in the language you are written to.',
    'Say plainly when you do not know something or cannot do it. You have no tools in this conversation.',
  ].join('\n');

/**
 * The newest messages that fit the budget, oldest first. The last one (what is asked) is always in, and the first is always
 * the member's: providers refuse a conversation that begins with an answer.
 */
export function withinBudget(messages: readonly StoredMessage[], budgetTokens: number): ModelMessage[] {
  const chosen: ModelMessage[] = [];
  let left = budgetTokens;
  for (const { role, text } of messages.toReversed()) {
    left -= estimateTokens(text) + 4;
    if (left < 0 && chosen.length > 0) break;
    if (text.trim() !== '') chosen.unshift({ role, text });
  }
  const first = chosen.findIndex((message) => message.role === 'user');
  return first < 0 ? [] : chosen.slice(first);
}
