import { DomainError } from '#libs/kernel';

export class MailNotConfigured extends DomainError {
  readonly code = 'mail-not-configured';
  readonly kind = 'unavailable';
  constructor() {
    super('No mail can be sent from here: WIREBOT_SMTP_URL is not set. Sign in another way, or set it and restart.');
  }
}
