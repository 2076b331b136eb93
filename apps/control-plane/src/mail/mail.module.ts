import { Module } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import { MailOutbox } from './mail-outbox.js';
import { MailQueue } from './mail-queue.js';
import { MailSender } from './mail-sender.js';
import { MailTransport, SmtpTransport } from './mail-transport.js';
import { MailNotConfigured } from './mail.errors.js';

/** For features that write mail. */
@Module({ providers: [MailOutbox], exports: [MailOutbox] })
export class MailModule {}

/** Where there is no server, the sender does not run and nothing gets into the outbox. */
class NoTransport extends MailTransport {
  override async send(): Promise<void> {
    throw new MailNotConfigured();
  }
}

/** The sender; only where `WIREBOT_ROLES` has `worker` does it work. */
@Module({
  providers: [
    MailQueue,
    MailSender,
    {
      provide: MailTransport,
      inject: [ControlPlaneConfig],
      useFactory: ({ mail }: ControlPlaneConfig) => (mail ? new SmtpTransport(mail) : new NoTransport()),
    },
  ],
  exports: [MailQueue],
})
export class MailWorkerModule {}
