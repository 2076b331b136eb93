import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freshDatabase } from '#libs/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { HttpEdgeModule } from '../http/http-edge.module.js';
import { startTestApp, type TestApp } from '../http/test-app.fixture.js';
import { IdentityModule } from '../identity/identity.module.js';
import { layOutMail } from './mail-layout.js';
import { MailOutbox } from './mail-outbox.js';
import { MAIL_ATTEMPTS, MailQueue } from './mail-queue.js';
import { MailSender } from './mail-sender.js';
import { SmtpTransport } from './mail-transport.js';
import { MailModule, MailWorkerModule } from './mail.module.js';
import { smtpError, TestSmtp } from './testing/smtp.fixture.js';

const HOUR = 3_600_000;
let test: TestApp;
let smtp: TestSmtp;

interface Row {
  readonly status: string;
  readonly attempts: number;
  readonly sealed: Buffer | null;
  readonly last_error: string | null;
}
const row = async (recipient: string): Promise<Row> =>
  (await test.database.query<Row>('SELECT * FROM mails WHERE recipient = $1', [recipient]))[0]!;
const write = (recipient: string, expiresIn = 24 * HOUR) =>
  test.app.get(MailOutbox, { strict: false }).send({
    tenantId: null,
    recipient,
    kind: 'test',
    expiresAt: new Date(test.clock.now().getTime() + expiresIn),
    ...layOutMail({ subject: 'Hello', lead: ['The secret word is sesame.'], tail: [] }),
  });
/** One look of the sender at the queue. */
const sendDue = () => test.app.get(MailSender, { strict: false }).sendDue();

beforeAll(async () => {
  smtp = await new TestSmtp().listen();
  // The sender's own loop belongs to the role worker; here the tests decide when it looks.
  const environment = {
    WIREBOT_SMTP_URL: `smtp://127.0.0.1:${smtp.port}`,
    WIREBOT_MAIL_FROM: 'Wirebot <no-reply@wirebot.example>',
    WIREBOT_ROLES: 'api',
  };
  const modules = [HttpEdgeModule, IdentityModule, MailModule, MailWorkerModule];
  test = await startTestApp(await freshDatabase(), modules, { environment });
});
afterAll(async () => {
  await test.close();
  await smtp.close();
});
beforeEach(() => {
  smtp.mails.length = 0;
  smtp.deliveries = 0;
  smtp.onData = () => undefined;
  smtp.onRecipient = () => undefined;
});
afterEach(() => test.database.query('DELETE FROM mails'));

describe('a mail', () => {
  it('is sealed while it waits, and its text is gone once it is sent', async () => {
    await write('jane@example.com');
    const waiting = await row('jane@example.com');
    expect(waiting).toMatchObject({ status: 'pending', attempts: 0 });
    expect(waiting.sealed!.toString('latin1')).not.toContain('sesame');
    expect(await sendDue()).toBe(1);
    expect(await row('jane@example.com')).toMatchObject({ status: 'sent', attempts: 1, sealed: null });
    const [mail] = smtp.mails;
    expect(mail).toMatchObject({ to: ['jane@example.com'], from: 'no-reply@wirebot.example' });
    expect(mail!.content).toContain('The secret word is sesame.');
    for (const header of [
      'Subject: Hello',
      'From: Wirebot <no-reply@wirebot.example>',
      'Auto-Submitted: auto-generated',
    ])
      expect(mail!.content).toContain(header);
    expect(await sendDue()).toBe(0);
  });

  it('is one message for two senders at once', async () => {
    await Promise.all(Array.from({ length: 8 }, (_, i) => write(`many-${i}@example.com`)));
    const tries = await Promise.all(Array.from({ length: 6 }, () => sendDue()));
    expect(tries.reduce((sum, count) => sum + count, 0)).toBe(8);
    expect(smtp.mails.map(({ to }) => to[0]).toSorted()).toEqual(
      Array.from({ length: 8 }, (_, i) => `many-${i}@example.com`),
    );
  });

  it('is tried again after a temporary refusal, later each time, and fails for good in the end', async () => {
    smtp.onData = () => smtpError(451);
    await write('later@example.com');
    await sendDue();
    expect(await row('later@example.com')).toMatchObject({
      status: 'pending',
      attempts: 1,
      last_error: 'EMESSAGE 451',
    });
    expect(await sendDue()).toBe(0); // not due yet
    for (let attempt = 2; attempt <= MAIL_ATTEMPTS; attempt += 1) {
      test.clock.advance(HOUR);
      await sendDue();
    }
    const failed = { status: 'failed', attempts: MAIL_ATTEMPTS, sealed: null, last_error: 'EMESSAGE 451' };
    expect(await row('later@example.com')).toMatchObject(failed);
    test.clock.advance(HOUR);
    expect(await sendDue()).toBe(0);
  });

  it('goes out when the server takes it at last', async () => {
    smtp.onData = (nth) => (nth < 3 ? smtpError(421) : undefined);
    await write('patient@example.com');
    for (let i = 0; i < 3; i += 1) {
      await sendDue();
      test.clock.advance(60_000);
    }
    expect(await row('patient@example.com')).toMatchObject({ status: 'sent', attempts: 3, last_error: null });
    const ids = smtp.mails.map(({ content }) => /Message-ID: (\S+)/i.exec(content)?.[1]);
    expect(ids).toHaveLength(1);
  });

  it('that the server refuses for what it is, is not sent again', async () => {
    smtp.onRecipient = () => smtpError(550);
    await write('nobody@example.com');
    await sendDue();
    const failed = { status: 'failed', attempts: 1, sealed: null, last_error: 'EENVELOPE 550' };
    expect(await row('nobody@example.com')).toMatchObject(failed);
  });

  it('whose connection is cut before the answer is tried again under the same id', async () => {
    const ids: (string | undefined)[] = [];
    smtp.onData = (nth) => (nth === 1 ? 'cut' : undefined);
    await write('cut@example.com');
    await sendDue();
    expect(await row('cut@example.com')).toMatchObject({ status: 'pending', attempts: 1 });
    test.clock.advance(60_000);
    await sendDue();
    for (const { content } of smtp.mails) ids.push(/Message-ID: (\S+)/i.exec(content)?.[1]);
    const [{ id } = { id: '' }] = await test.database.query<{ id: string }>('SELECT id FROM mails');
    expect(ids).toEqual([`<${id}@wirebot.example>`]);
  });

  it('whose sender died is taken up when the lease ends, and a late answer of the dead one changes nothing', async () => {
    await write('orphan@example.com');
    const queue = test.app.get(MailQueue, { strict: false });
    const [claimed] = await queue.claim(1);
    expect(await sendDue()).toBe(0);
    test.clock.advance(61_000);
    expect(await sendDue()).toBe(1);
    await queue.retry(claimed!, 'late');
    expect(await row('orphan@example.com')).toMatchObject({ status: 'sent', attempts: 2, last_error: null });
  });

  it('that is of no use any more is not sent', async () => {
    await write('late@example.com', 60_000);
    test.clock.advance(60_001);
    await sendDue();
    expect(await row('late@example.com')).toMatchObject({ status: 'failed', last_error: 'expired', sealed: null });
    expect(smtp.mails).toEqual([]);
  });

  it('carries names as text, adds no header by them and loads nothing', () => {
    const { subject, text, html } = layOutMail({
      subject: 'Welcome to A\r\nBcc: all@example.com',
      lead: ['<img src=x onerror=alert(1)> & "friends"'],
      action: { label: 'Open', url: 'https://console.example/admin/#magic=abc' },
      tail: [],
    });
    expect(subject).toBe('Welcome to A Bcc: all@example.com');
    expect(text).toContain('Open:\nhttps://console.example/admin/#magic=abc');
    expect(html).not.toMatch(/<(img|script|link|style|iframe)|src=(?!x)/);
    expect(html).toContain('&lt;img src=x onerror=alert(1)&gt; &amp; &quot;friends&quot;');
  });
});

describe('the transport', () => {
  const folder = mkdtempSync(join(tmpdir(), 'wirebot-smtp-'));
  const mail = { id: 'mail_1', to: 'jane@example.com', subject: 'Hello', text: 'Hi\n', html: '<p>Hi</p>' };
  const login = { user: 'wirebot', password: 'smtp secret' };
  const from = 'no-reply@wirebot.example';
  const forever = () => AbortSignal.timeout(30_000);
  let cert: string;
  let secure: TestSmtp;

  beforeAll(async () => {
    const [keyFile, certFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2'];
    const key = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    execFileSync('openssl', [...key, '-keyout', keyFile, '-out', certFile, ...subject], { stdio: 'ignore' });
    cert = readFileSync(certFile, 'utf8');
    secure = await new TestSmtp({
      key: readFileSync(keyFile),
      cert,
      disabledCommands: [],
      authOptional: false,
      onAuth: ({ username, password }, _session, done) =>
        username === login.user && password === login.password
          ? done(null, { user: username })
          : done(smtpError(535) as Error),
    }).listen();
  });
  afterAll(async () => {
    await secure.close();
    rmSync(folder, { recursive: true });
  });
  const config = (port: number) => ({ host: '127.0.0.1', port, tls: 'required' as const, login, from });

  it('signs in after STARTTLS', async () => {
    await new SmtpTransport(config(secure.port), cert).send(mail, forever());
    expect(secure.mails.at(-1)).toMatchObject({ to: ['jane@example.com'], secure: true });
  });

  it('sends nothing to a server whose certificate it cannot check', async () => {
    const before = secure.deliveries;
    await expect(new SmtpTransport(config(secure.port)).send(mail, forever())).rejects.toMatchObject({
      code: 'ESOCKET',
    });
    expect(secure.deliveries).toBe(before);
  });

  it('sends nothing, and no password, to a server without STARTTLS where TLS is required', async () => {
    await expect(new SmtpTransport(config(smtp.port)).send(mail, forever())).rejects.toMatchObject({ code: 'ETLS' });
    expect(smtp.deliveries).toBe(0);
  });

  it('tells a refused password from a refused mail', async () => {
    const wrong = { ...config(secure.port), login: { user: 'wirebot', password: 'wrong' } };
    await expect(new SmtpTransport(wrong, cert).send(mail, forever())).rejects.toMatchObject({ code: 'EAUTH' });
  });

  it('stops when it is told to', async () => {
    const stop = new AbortController();
    smtp.onRecipient = () => {
      stop.abort(new Error('stopping'));
      return undefined;
    };
    const plain = { ...config(smtp.port), tls: 'opportunistic' as const, login: undefined };
    await expect(new SmtpTransport(plain).send(mail, stop.signal)).rejects.toMatchObject({ code: 'EABORT' });
    expect(smtp.mails).toEqual([]);
  });
});
