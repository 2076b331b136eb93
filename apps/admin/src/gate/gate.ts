import { byId } from '#libs/browser';
import { clearFragment, type Fragment } from '../fragment.js';
import { stopOffering } from '../passkey.js';
import { textOfCode } from '../problem-texts.js';
import type { Outcome } from '../session-api.js';
import type { GateParts } from './card.js';
import { showInvitationCard, showMagicCard, showResetCard } from './link-cards.js';
import { showSecondFactorCard } from './second-factor-card.js';
import { showSignInCard } from './sign-in-card.js';

/** What stands before the console: one card, a step of the sign-in at a time. */
export class Gate implements GateParts {
  constructor(private readonly onSignedIn: () => Promise<void>) {}

  /** Begins with what the address brought. */
  open(fragment: Fragment): void {
    if (fragment.kind !== 'overview' && fragment.kind !== 'security') clearFragment();
    this.#show();
    if (fragment.kind === 'magic') showMagicCard(fragment.token, this);
    else if (fragment.kind === 'password-reset') showResetCard(fragment.token, this);
    else if (fragment.kind === 'invitation') showInvitationCard(fragment.token, this);
    else if (fragment.kind === 'second-factor') showSecondFactorCard(this);
    else this.restart(fragment.kind === 'error' ? { problem: textOfCode(fragment.code) } : {});
  }

  restart(message: { readonly problem?: string; readonly note?: string } = {}): void {
    this.#show();
    showSignInCard(this, message);
  }

  close(): void {
    stopOffering();
    byId('gate').hidden = true;
    byId('gate-card').replaceChildren();
  }

  async done(outcome: Outcome): Promise<void> {
    stopOffering();
    if (outcome.status === 'second-factor') return showSecondFactorCard(this);
    await this.onSignedIn();
  }

  #show(): void {
    byId('gate').hidden = false;
    byId('loading').hidden = true;
  }
}
