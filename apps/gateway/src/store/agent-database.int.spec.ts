import { ManualClock } from '#libs/kernel';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
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

  it('says that the disk is full, keeps what it has and goes on when there is room', () => {
    const repository = new ConversationsRepository(db);
    const add = (session: string) =>
      db.transaction('durable', () =>
        repository.createSession({ session, title: 't'.repeat(50_000), at: 'now', mode: 1, ...MEMBER }),
      );
    add('first');
    const { page_count: pages } = db.get<{ page_count: number }>('PRAGMA page_count')!;
    db.run(`PRAGMA max_page_count = ${pages}`);
    expect(() => add('second')).toThrow(
      expect.objectContaining({ code: 'disk-full', kind: 'storage', retryAfter: 60 }),
    );
    expect([repository.countSessions(MEMBER), db.fault]).toEqual([1, null]);
    db.run(`PRAGMA max_page_count = ${pages * 100}`);
    add('second');
    expect(repository.countSessions(MEMBER)).toBe(2);
  });

  it('says what is wrong with it until it is not any more', () => {
    mkdirSync(join(root, 'agt_1'));
    const file = join(root, 'agt_1', 'agent.db');
    writeFileSync(file, 'this is no database '.repeat(100));
    expect(() => db.get('SELECT 1')).toThrow(expect.objectContaining({ code: 'state-damaged' }));
    expect(db.fault).toContain('it is damaged');
    rmSync(file);
    db.get('SELECT 1');
    expect(db.fault).toBeNull();
  });

  it('whose schema cannot be brought up to date is left as it is', () => {
    mkdirSync(join(root, 'agt_1'));
    const file = join(root, 'agt_1', 'agent.db');
    const other = new DatabaseSync(file);
    other.exec('CREATE TABLE sessions (x)');
    other.close();
    expect(() => db.get('SELECT 1')).toThrow(expect.objectContaining({ code: 'state-damaged' }));
    expect(db.fault).toContain('it cannot be brought to version 1');
    const after = new DatabaseSync(file);
    expect(after.prepare('SELECT name FROM sqlite_schema').all()).toEqual([{ name: 'sessions' }]);
    after.close();
  });

  it('finds damage inside when it is looked through', () => {
    const repository = new ConversationsRepository(db);
    for (let i = 0; i < 200; i += 1)
      repository.createSession({ session: `s${i}`, title: 't'.repeat(500), at: `${i}`, mode: 1, ...MEMBER });
    db.verify();
    db.close();
    const file = join(root, 'agt_1', 'agent.db');
    const bytes = readFileSync(file);
    bytes.fill(0xaa, bytes.length - 3 * 4096);
    writeFileSync(file, bytes);
    expect(() => db.verify()).toThrow(expect.objectContaining({ code: 'state-damaged' }));
    expect(db.fault).not.toBeNull();
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
