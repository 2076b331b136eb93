import { freshDatabase } from '#libs/testing';
import { HttpEdgeModule } from '../../http/http-edge.module.js';
import { startTestApp, type TestApp } from '../../http/test-app.fixture.js';
import { MailWorkerModule } from '../../mail/mail.module.js';
import { TestSmtp } from '../../mail/testing/smtp.fixture.js';
import { IdentityModule } from '../identity.module.js';
import { StaffModule } from '../staff/staff.module.js';

export interface SignInTest {
  readonly test: TestApp;
  readonly smtp: TestSmtp;
  close(): Promise<void>;
}

/** Sign-in with a mail server of its own; the sender runs as it does in a worker. */
export async function startSignInTest(environment: Record<string, string> = {}): Promise<SignInTest> {
  const smtp = await new TestSmtp().listen();
  const mail = {
    WIREBOT_SMTP_URL: `smtp://127.0.0.1:${smtp.port}`,
    WIREBOT_MAIL_FROM: 'Wirebot <no-reply@wirebot.example>',
  };
  const modules = [HttpEdgeModule, IdentityModule, StaffModule, MailWorkerModule];
  const test = await startTestApp(await freshDatabase(), modules, { environment: { ...mail, ...environment } });
  return {
    test,
    smtp,
    close: async () => {
      await test.close();
      await smtp.close();
    },
  };
}
