import { describe, expect, it } from 'vitest';
import { AGENT_PHASES, GATEWAY_PHASES, isOverdue, mayMove, type PhaseRule } from './phases.js';

const tables: [string, Readonly<Record<string, PhaseRule<string>>>, string, string][] = [
  ['gateway', GATEWAY_PHASES, 'pending', 'deleted'],
  ['agent', AGENT_PHASES, 'pending', 'deleted'],
];

/** Nothing has to happen there by itself. */
const RESTING = new Set(['ready', 'warm', 'paused', 'suspended', 'lost', 'inactive', 'deleted']);

describe.each(tables)('the %s phase table', (_name, table, first, last) => {
  const phases = Object.keys(table);
  const reachable = (from: string): Set<string> => {
    const seen = new Set([from]);
    for (const phase of seen) for (const next of table[phase]!.next) seen.add(next);
    return seen;
  };

  it('names only phases that exist, and never itself', () => {
    for (const phase of phases)
      for (const next of table[phase]!.next) {
        expect(phases).toContain(next);
        expect(next).not.toBe(phase);
      }
  });

  it('reaches every phase from the first and the last from every phase', () => {
    expect([...reachable(first)].sort()).toEqual([...phases].sort());
    for (const phase of phases) expect(reachable(phase)).toContain(last);
  });

  it('gives every phase a time-out in which something is under way, and none to those in which it may rest', () => {
    const limit = (phase: string): number | null => table[phase]!.timeoutSeconds;
    const resting = phases.filter((phase) => RESTING.has(phase));
    expect(phases.filter((phase) => !resting.includes(phase) && !((limit(phase) ?? 0) > 0))).toEqual([]);
    expect(resting.filter((phase) => limit(phase) !== null)).toEqual([]);
  });

  it('goes from every phase that took too long along an edge of its own', () => {
    for (const phase of phases.filter((name) => table[name]!.timeoutSeconds !== null && name !== 'failed'))
      expect(table[phase]!.next).toContain(table[phase]!.onTimeout ?? 'failed');
  });

  it('leaves no phase to nobody but those in which nothing is wanted any more', () => {
    const nobodys = phases.filter((phase) => table[phase]!.owner === 'nobody');
    expect(nobodys.filter((phase) => !['deleted', 'inactive'].includes(phase))).toEqual([]);
  });

  it('can be left from every phase but the last, and recovers from failed', () => {
    for (const phase of phases) expect(table[phase]!.next.length === 0).toBe(phase === last);
    expect(reachable('failed')).toContain('ready');
  });

  it.each(phases.flatMap((from) => phases.map((to) => [from, to] as const)))(
    '%s -> %s is allowed exactly when listed',
    (from, to) => {
      expect(mayMove(table, from, to)).toBe(from === to || table[from]!.next.includes(to));
    },
  );

  it('is overdue after its time-out and never when it has none', () => {
    const since = new Date('2026-01-01T00:00:00Z');
    for (const phase of phases) {
      const limit = table[phase]!.timeoutSeconds;
      const late = new Date(since.getTime() + ((limit ?? 1e6) + 1) * 1000);
      expect(isOverdue(table, phase, since, late)).toBe(limit !== null);
      expect(isOverdue(table, phase, since, since)).toBe(false);
    }
  });
});
