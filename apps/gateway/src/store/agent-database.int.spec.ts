import { ManualClock } from '#libs/kernel';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AgentDatabase } from './agent-database.js';
import { ConversationsRepository } from './conversations.repository.js';

const MEMBER = { member: 'mem_1', open: false };

let root: string;
let clock: ManualClock;
let db: AgentDatabase;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'wirebot-db-'));
  clock = new ManualClock();
  db = new AgentDatabase(join(root, 'agt_1'), clock);
});
afterEach(() => {
  db.close();
  rmSync(root, { recursive: true });
});

describe("an agent's database", () => {
  it('is not made by looking for it, and closes when nothing uses it any more', () => {
    expect(db.exists()).toBe(false);
    expect(existsSync(join(root, 'agt_1'))).toBe(false);
    expect(new ConversationsRepository(db).countSessions(MEMBER)).toBe(0);
    clock.advance(999);
    db.closeIfIdle(1000);
    expect(db.isOpen).toBe(true);
    clock.advance(1);
    db.closeIfIdle(1000);
    expect(db.isOpen).toBe(false);
    expect(db.exists()).toBe(true);
    expect(readdirSync(join(root, 'agt_1'))).toEqual(['agent.db']);
  });

  it('takes back a transaction that fails', () => {
    const repository = new ConversationsRepository(db);
    const fail = () =>
      db.transaction('durable', () => {
        repository.createSession({ session: 's', title: 't', at: 'now', mode: 1, ...MEMBER });
        throw new Error('halfway');
      });
    expect(fail).toThrow('halfway');
    expect(repository.countSessions(MEMBER)).toBe(0);
  });

  it('refuses data of a newer version and leaves it alone', () => {
    db.run('PRAGMA user_version = 99');
    db.close();
    expect(() => db.get('SELECT 1')).toThrow('Upgrade the gateway');
    expect(db.isOpen).toBe(false);
  });

  it('keeps only the newest frames of a session', () => {
    const repository = new ConversationsRepository(db);
    repository.createSession({ session: 's', title: 't', at: 'now', mode: 1, ...MEMBER });
    db.transaction('fast', () => {
      for (let i = 0; i < 5_010; i += 1) repository.keepFrame('s', repository.nextSeq('s'), 'tsk', '{}');
    });
    repository.pruneFrames('s');
    expect(db.get('SELECT count(*) AS count, min(seq) AS first, max(seq) AS last FROM frames')).toEqual({
      count: 5_000,
      first: 11,
      last: 5_010,
    });
    expect(repository.framesAfter('s', 0)[0]!.seq).toBe(11);
  });
});
