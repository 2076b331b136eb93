import type { AgentConfig, SessionView } from '#libs/contracts';
import { estimateTokens, type ModelMessage } from '#libs/providers';
import { decideFeature, effectiveMode, grantOf, parsePlace } from '#libs/trust';

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

const MANNERS = [
  'Be helpful, concrete and brief. Answer in the language you are written to.',
  'Say plainly when you do not know something or cannot do it. You have no tools in this conversation.',
];

const personalPrompt = (agent: AgentConfig, now: Date): string[] => [
  `You are the AI agent of ${agent.memberName}, provided by ${agent.brand}. You speak in the name of ${agent.brand}.`,
  `It is ${localTime(now, agent.timeZone)} for ${agent.memberName}; their locale is ${agent.locale}.`,
  ...MANNERS,
];

/** Without a word about the member: strangers read along, or it is only a demo. */
const impersonalPrompt = (agent: AgentConfig): string[] => [
  `You are an AI agent of ${agent.brand}. You speak in the name of ${agent.brand}.`,
  ...MANNERS,
  `You know nothing about the person you talk to or about any member of ${agent.brand}, and you do not ask for anything personal.`,
  `For anything personal point to the private chat of ${agent.brand}.`,
];

/** `task`: the mode the message was accepted in and where it came from. What its surface cannot carry is not in the prompt. */
export function systemPrompt(
  agent: AgentConfig,
  task: { readonly trustMode: number; readonly place: string },
  now: Date,
): string {
  const place = parsePlace(task.place);
  const grant = place && grantOf(agent.trust, place.surface, place.visibility);
  const mode = effectiveMode(task.trustMode, agent.trust.ceiling);
  const personal = grant !== undefined && decideFeature('personalisation', mode, grant).allowed;
  return (personal ? personalPrompt(agent, now) : impersonalPrompt(agent)).join('\n');
}

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
