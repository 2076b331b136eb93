import type { UsageRecordReport } from '#libs/contracts';
import { createLogger } from '#libs/telemetry';
import { appendFile, chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../test/stack.fixture.js';
import { JournalUnavailable, UsageJournal } from './usage-journal.js';

const LIMITS = { total: 1024 * 1024, file: 4_000, sync: 5, retry: 10 };
const log = createLogger({ name: 'journal', level: 'silent', destination: { write: () => undefined } });
let directory: string;
let n = 0;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'wirebot-journal-'));
});
afterEach(async () => {
  await chmod(directory, 0o700);
  await rm(directory, { recursive: true });
});

const open = (limits = LIMITS) => UsageJournal.open(directory, limits, log);
const record = (over: Partial<UsageRecordReport> = {}): UsageRecordReport =>
  ({ id: `call_${(n += 1)}`, outcome: 'completed', estimated: false, outputTokens: 7, ...over }) as UsageRecordReport;
const names = async () => (await readdir(directory)).filter((name) => name.endsWith('.journal'));

/** Every end that waits to be reported. */
async function ends(journal: UsageJournal): Promise<UsageRecordReport[]> {
  const found: UsageRecordReport[] = [];
  for (const file of await journal.sealed())
    for await (const entry of file.entries()) if (entry.type === 'end') found.push(entry.record);
  return found;
}
async function reportAll(journal: UsageJournal): Promise<void> {
  for (const file of await journal.sealed()) await journal.reported(file);
}

describe('the usage journal', () => {
  it('keeps what began and ended in order, in files that are deleted once they are reported', async () => {
    const journal = await open();
    const calls = Array.from({ length: 60 }, () => record());
    await Promise.all(calls.map((call) => journal.begin(call)));
    for (const call of calls) journal.end(call);
    await until(() => journal.openCalls === 0);
    expect((await ends(journal)).map((call) => call.id)).toEqual(calls.map((call) => call.id));
    await reportAll(journal);
    await until(async () => (await names()).length === 0);
    expect(journal.bytes).toBe(0);
    await journal.close();
  });

  it('keeps a file while a call that began in it is open, though it is reported', async () => {
    const journal = await open();
    const [long, short] = [record(), record()];
    await journal.begin(long);
    await journal.begin(short);
    journal.end(short);
    await until(async () => (await ends(journal)).length === 1);
    await reportAll(journal);
    expect(await names()).toHaveLength(1);
    journal.end(long);
    await until(async () => (await ends(journal)).map((call) => call.id).join() === long.id);
    await reportAll(journal);
    await until(async () => (await names()).length === 0);
    await journal.close();
  });

  it('ends what a former process left open as cut off, once', async () => {
    const first = await open();
    const [open1, ended] = [record(), record()];
    await first.begin(open1);
    await first.begin(ended);
    first.end(ended);
    await until(() => first.openCalls === 1);
    // The process is killed: nothing is closed.
    const second = await open();
    await until(() => second.openCalls === 0);
    const third = await open();
    const found = await ends(third);
    expect(found.filter((call) => call.id === open1.id)).toEqual([{ ...open1, outcome: 'cut-off', estimated: true }]);
    expect(found.filter((call) => call.id === ended.id)).toEqual([ended]);
    for (const journal of [first, second, third]) await journal.close();
  });

  it('passes over a line that a crash left half written', async () => {
    const journal = await open();
    const call = record();
    await journal.begin(call);
    journal.end(call);
    await until(() => journal.openCalls === 0);
    await journal.close();
    const [name] = await names();
    const whole = await readFile(join(directory, name!), 'utf8');
    await appendFile(join(directory, name!), whole.slice(0, 40));
    const again = await open();
    expect((await ends(again)).map(({ id }) => id)).toEqual([call.id]);
    await again.close();
  });

  it('takes no call beyond its size, and takes calls again once it was reported', async () => {
    const journal = await open({ ...LIMITS, total: 1_000 });
    const begun: UsageRecordReport[] = [];
    const fill = async () => {
      for (;;) {
        const call = record();
        await journal.begin(call);
        begun.push(call);
      }
    };
    await expect(fill()).rejects.toBeInstanceOf(JournalUnavailable);
    expect(begun.length).toBeGreaterThan(2);
    for (const call of begun) journal.end(call);
    await until(() => journal.openCalls === 0);
    await reportAll(journal);
    await expect(journal.begin(record())).resolves.toBeUndefined();
    await journal.close();
  });

  it('refuses calls while its disk takes nothing, keeps the ends of those that run, and recovers', async () => {
    const journal = await open({ ...LIMITS, file: 1 });
    const running = record();
    await journal.begin(running);
    // A folder that takes no new file stands for a full disk, for whoever is not root; for root it is moved away.
    await rm(directory, { recursive: true });
    await expect(journal.begin(record())).rejects.toBeInstanceOf(JournalUnavailable);
    journal.end(running);
    await expect(journal.begin(record())).rejects.toBeInstanceOf(JournalUnavailable);
    await import('node:fs/promises').then(({ mkdir }) => mkdir(directory));
    await until(() => journal.openCalls === 0);
    await until(() =>
      journal.begin(record()).then(
        () => true,
        () => false,
      ),
    );
    await journal.close();
  });
});
