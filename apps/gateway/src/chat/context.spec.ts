import type { AgentConfig } from '#libs/contracts';
import { describe, expect, it } from 'vitest';
import { systemPrompt, withinBudget } from './context.js';

const user = (text: string) => ({ role: 'user' as const, text });
const assistant = (text: string) => ({ role: 'assistant' as const, text });

describe('the context of a model call', () => {
  it('keeps the newest messages that fit, oldest first', () => {
    const messages = [user('a'.repeat(400)), assistant('b'.repeat(400)), user('c'), assistant('d'), user('e')];
    expect(withinBudget(messages, 30)).toEqual([user('c'), assistant('d'), user('e')]);
    expect(withinBudget(messages, 10_000)).toEqual(messages);
  });

  it('always holds the last message, however long', () => {
    expect(withinBudget([user('before'), user('x'.repeat(9000))], 10)).toEqual([user('x'.repeat(9000))]);
  });

  it('never begins with an answer and has no empty texts', () => {
    const messages = [user('x'.repeat(400)), assistant('answer'), user('one'), assistant(''), user('two')];
    expect(withinBudget(messages, 40)).toEqual([user('one'), user('two')]);
  });
});

describe('the system prompt', () => {
  const agent = { memberName: 'Ada', brand: 'Acme Club', timeZone: 'Europe/Berlin', locale: 'de' } as AgentConfig;
  const now = new Date('2026-11-20T23:30:00Z');

  it("names brand and member and gives the member's own time", () => {
    const prompt = systemPrompt(agent, now);
    expect(prompt).toContain('Acme Club');
    expect(prompt).toContain('Ada');
    expect(prompt).toContain('Saturday, 21 November 2026');
    expect(prompt).toContain('(Europe/Berlin)');
  });

  it('falls back to UTC for a time zone nobody knows', () => {
    expect(systemPrompt({ ...agent, timeZone: 'Mars/Olympus' }, now)).toContain('23:30 (UTC)');
  });
});
