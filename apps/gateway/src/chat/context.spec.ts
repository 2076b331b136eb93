import type { AgentConfig } from '#libs/contracts';
import { describe, expect, it } from 'vitest';
import { profile } from '../testing/tenant.js';
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
  const agent = {
    memberName: 'Ada',
    brand: 'Acme Club',
    timeZone: 'Europe/Berlin',
    locale: 'de',
    trust: profile(2),
  } as AgentConfig;
  const own = { trustMode: 2, place: 'web' };
  const now = new Date('2026-11-20T23:30:00Z');

  it("names brand and member and gives the member's own time", () => {
    const prompt = systemPrompt(agent, own, now);
    expect(prompt).toContain('Acme Club');
    expect(prompt).toContain('Ada');
    expect(prompt).toContain('Saturday, 21 November 2026');
    expect(prompt).toContain('(Europe/Berlin)');
  });

  it('falls back to UTC for a time zone nobody knows', () => {
    expect(systemPrompt({ ...agent, timeZone: 'Mars/Olympus' }, own, now)).toContain('23:30 (UTC)');
  });

  it.each([
    ['where strangers read along', { trustMode: 1, place: 'discord' }, agent],
    ['in a demo', { trustMode: 0, place: 'web' }, agent],
    ['where the tier does not reach', { trustMode: 2, place: 'whatsapp:private' }, agent],
    ['when nobody knows where it came from', { trustMode: 2, place: 'fax' }, agent],
    ['once the ceiling has fallen to 0', own, { ...agent, trust: profile(0) }],
  ])('says nothing about the member %s', (_where, task, config) => {
    const prompt = systemPrompt(config, task, now);
    expect(prompt).toContain('Acme Club');
    expect(prompt).toContain('private chat');
    for (const personal of ['Ada', 'Europe', 'November', ' de.']) expect(prompt).not.toContain(personal);
  });

  it('is personal in a private chat on the same platform', () => {
    expect(systemPrompt(agent, { trustMode: 1, place: 'discord:private' }, now)).toContain('Ada');
  });
});
