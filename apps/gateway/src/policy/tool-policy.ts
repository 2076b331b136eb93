import type { TrustProfile } from '#libs/contracts';
import type { Clock } from '#libs/kernel';
import { decide, type Decision, placeClaim } from '#libs/trust';
import type { Visitor } from '../agents/visitor.js';
import { LIMITS } from '../limits.js';
import type { AgentDatabase } from '../store/agent-database.js';

/** What is asked, besides who asks. */
export interface Subject {
  readonly session?: string | undefined;
  readonly sessionMode?: number | undefined;
}

/** Decides about tools and keeps a row of every decision, allowed or denied: nobody is let through without one. */
export class ToolPolicy {
  constructor(
    private readonly db: AgentDatabase,
    private readonly clock: Clock,
  ) {}

  /** One decision for each tool, in their order, stored together. */
  check(profile: TrustProfile, visitor: Visitor, tools: readonly string[], subject: Subject = {}): Decision[] {
    const { tokenMode, place } = visitor;
    const { sessionMode, session } = subject;
    const at = this.clock.now().toISOString();
    return this.db.transaction('fast', () => {
      const decisions = tools.map((tool) => {
        const decision = decide({ profile, tokenMode, ...place, sessionMode, tool });
        this.#keep(at, visitor, session, tool, decision);
        return decision;
      });
      this.#prune();
      return decisions;
    });
  }

  #keep(at: string, visitor: Visitor, session: string | undefined, tool: string, decision: Decision): void {
    this.db.run(
      `INSERT INTO policy_decisions (at, session, sender, channel, tool, mode, allowed, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      at,
      session ?? null,
      visitor.member,
      placeClaim(visitor.place),
      tool,
      decision.mode,
      decision.allowed ? 1 : 0,
      decision.reason,
    );
  }

  #prune(): void {
    const sql = 'DELETE FROM policy_decisions WHERE n <= (SELECT max(n) FROM policy_decisions) - ?';
    this.db.run(sql, LIMITS.decisionsKept);
  }
}
