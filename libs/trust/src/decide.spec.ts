import { SURFACES, type TrustMode, VISIBILITIES } from '#libs/contracts';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decide, type Question } from './decide.js';
import { decideFeature, type Feature, FEATURE_RULES } from './features.js';
import { TRUST_MODES } from './modes.js';
import { compileTrustProfile } from './profile.js';
import { SURFACE_GRANTS } from './surfaces.js';
import { TOOL_RULES } from './tools.js';

const profileOf = (ceiling: TrustMode) =>
  compileTrustProfile({ runtime: 'wirebot', ceiling, tier: { trustCeiling: ceiling, channels: SURFACES, limits: {} } });

/** product.md, "Tool minimums", tool by tool. */
const MINIMUMS: Record<string, TrustMode> = {
  'checklist.create': 1,
  'checklist.update': 1,
  'checklist.delete': 1,
  'goal.create': 1,
  'goal.update': 1,
  'goal.delete': 1,
  'calendar.read': 1,
  'web.search': 2,
  'calendar.write': 2,
  'mail.draft': 2,
  'document.read': 2,
  'document.write': 3,
  'external-api.call': 3,
  'code.execute': 3,
};

const WORDS = {
  fullChat: 'full_chat',
  businessContext: 'business_context',
  personalisation: 'personalisation',
  checklistsAndGoals: 'checklists_and_goals',
};

describe('every tool in every mode on every surface', () => {
  it('has the minimum of the product, and no tool is without one', () => {
    expect(Object.fromEntries(Object.entries(TOOL_RULES).map(([tool, rule]) => [tool, rule.minimumMode]))).toEqual(
      MINIMUMS,
    );
  });

  const cells = TRUST_MODES.flatMap((mode) =>
    SURFACES.flatMap((surface) => VISIBILITIES.map((visibility) => [mode, surface, visibility] as const)),
  );
  it.each(cells)('mode %i, %s, %s', (mode, surface, visibility) => {
    const grant = SURFACE_GRANTS[surface][visibility];
    for (const [tool, minimum] of Object.entries(MINIMUMS)) {
      const decision = decide({ profile: profileOf(3), tokenMode: mode, surface, visibility, tool });
      const effective = Math.min(mode, grant?.modeCap ?? 0);
      const { needs } = TOOL_RULES[tool]!;
      const expected = !grant
        ? 'visibility_not_of_surface'
        : effective < minimum
          ? `trust_mode_${minimum}_required`
          : needs === null || grant[needs]
            ? 'allowed'
            : `surface_without_${WORDS[needs]}`;
      expect(decision).toEqual({ allowed: expected === 'allowed', mode: effective, reason: expected });
    }
  });

  it.each(TRUST_MODES)('a profile of ceiling %i holds only tools that the ceiling reaches', (ceiling) => {
    const reachable = Object.keys(MINIMUMS).filter((tool) => MINIMUMS[tool]! <= ceiling);
    expect(Object.keys(profileOf(ceiling).tools)).toEqual(reachable);
  });
});

describe('where strangers read along', () => {
  const open = SURFACES.filter((surface) => SURFACE_GRANTS[surface].public);

  it('are the web without sign-in and the channels of four platforms', () => {
    expect(open).toEqual(['web', 'slack', 'discord', 'telegram', 'whatsapp']);
  });

  it.each(open)('%s: no mode above 1, no tool, no memory, nothing personal', (surface) => {
    const question = { profile: profileOf(3), tokenMode: 3, surface, visibility: 'public' as const };
    expect(decide(question)).toMatchObject({ allowed: true, mode: surface === 'web' ? 0 : 1 });
    for (const tool of Object.keys(MINIMUMS)) expect(decide({ ...question, tool }).allowed).toBe(false);
    for (const feature of Object.keys(FEATURE_RULES) as Feature[])
      expect(decideFeature(feature, 1, SURFACE_GRANTS[surface].public!).allowed).toBe(false);
  });
});

/** product.md, "Surface caps": what is on which surface, for a member in mode 2. */
const FEATURES: Partial<Record<Feature, readonly string[]>> = {
  fullChat: ['web', 'extension', 'sms', 'mobile', 'api', 'cli', 'admin'],
  businessContext: SURFACES,
  personalisation: SURFACES,
  checklistsAndGoals: ['web', 'extension', 'mobile', 'api', 'cli', 'admin'],
  weeklySummary: ['web', 'extension', 'slack', 'discord', 'telegram', 'whatsapp', 'mobile', 'api', 'cli', 'admin'],
  sessionMemory: SURFACES,
  durableMemory: ['web', 'extension', 'slack', 'discord', 'telegram', 'whatsapp', 'mobile', 'api', 'cli', 'admin'],
};

describe('features of private surfaces', () => {
  it.each(Object.entries(FEATURES))('%s', (feature, expected) => {
    const having = SURFACES.filter(
      (surface) => decideFeature(feature as Feature, 2, SURFACE_GRANTS[surface].private!).allowed,
    );
    expect(having).toEqual(expected);
  });

  it.each([
    ['sms', 'session'],
    ['voice', 'session'],
    ['slack', 'durable'],
    ['web', 'durable'],
  ] as const)('%s remembers: %s', (surface, memory) => {
    expect(SURFACE_GRANTS[surface].private!.memory).toBe(memory);
  });

  it('the weekly summary on platforms only where the member asked for it', () => {
    for (const surface of ['slack', 'discord', 'telegram', 'whatsapp'] as const)
      expect(SURFACE_GRANTS[surface].private!.weeklySummary).toBe('opt-in');
  });

  it('mode 3 on a platform only over an account of the member’s own', () => {
    for (const surface of ['sms', 'voice', 'slack', 'discord', 'telegram', 'whatsapp'] as const) {
      const { private: shared, own } = SURFACE_GRANTS[surface];
      expect([shared!.modeCap, own!.modeCap]).toEqual([2, 3]);
    }
  });

  it('a demo has none of them', () => {
    for (const feature of Object.keys(FEATURE_RULES) as Feature[])
      expect(decideFeature(feature, 0, SURFACE_GRANTS.web.private!)).toMatchObject({ allowed: false });
  });
});

describe('a decision', () => {
  const mode = fc.integer({ min: 0, max: 3 }) as fc.Arbitrary<TrustMode>;
  const question: fc.Arbitrary<Question> = fc.record({
    profile: mode.map(profileOf),
    tokenMode: fc.oneof(mode, fc.double()),
    surface: fc.oneof(fc.constantFrom(...SURFACES), fc.string(), fc.constantFrom('__proto__', 'constructor')),
    visibility: fc.constantFrom(...VISIBILITIES),
    sessionMode: fc.option(fc.oneof(mode, fc.double()), { nil: undefined }),
    tool: fc.option(fc.oneof(fc.constantFrom(...Object.keys(TOOL_RULES)), fc.string(), fc.constant('toString')), {
      nil: undefined,
    }),
  });

  it('is never above any ceiling, and always gives a reason', () => {
    fc.assert(
      fc.property(question, (asked) => {
        const { allowed, mode: result, reason } = decide(asked);
        expect(result).toBeLessThanOrEqual(asked.profile.ceiling);
        const others = [asked.tokenMode, asked.sessionMode ?? 3].filter((ceiling) => ceiling >= 0);
        expect(result).toBeLessThanOrEqual(Math.min(3, ...others));
        expect(allowed).toBe(reason === 'allowed');
        expect(reason).toMatch(/^[a-z0-9_]+$/);
      }),
    );
  });

  it('never turns into yes when an input falls', () => {
    fc.assert(
      fc.property(question, mode, (asked, lower) => {
        for (const changed of [
          { ...asked, tokenMode: Math.min(lower, asked.tokenMode) },
          { ...asked, sessionMode: Math.min(lower, asked.sessionMode ?? 3) },
          { ...asked, profile: profileOf(Math.min(lower, asked.profile.ceiling) as TrustMode) },
        ]) {
          const [before, after] = [decide(asked), decide(changed)];
          expect(after.mode).toBeLessThanOrEqual(before.mode);
          expect(after.allowed && !before.allowed).toBe(false);
        }
      }),
    );
  });

  it('about a tool that the profile leaves out is no, whatever the mode', () => {
    const { tools: _all, ...rest } = profileOf(3);
    const asked = { profile: { ...rest, tools: {} }, tokenMode: 3, surface: 'web', visibility: 'private' as const };
    expect(decide({ ...asked, tool: 'goal.create' })).toEqual({
      allowed: false,
      mode: 3,
      reason: 'trust_mode_1_required',
    });
    expect(decide({ ...asked, tool: 'rm' }).reason).toBe('tool_unknown');
  });
});
