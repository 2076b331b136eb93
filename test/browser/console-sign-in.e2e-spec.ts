import { execFileSync } from 'node:child_process';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  CLIENT,
  startOpenIdProvider,
  type TestProvider,
} from '../../apps/control-plane/src/identity/oidc/testing/openid-provider.fixture.js';
import { chromiumPath, launch, openPage } from './browser.js';
import { Console, PASSWORD, VirtualAuthenticator } from './console.js';

const chromium = chromiumPath();
const note = 'missing' in chromium ? ` (skipped: ${chromium.missing})` : '';

describe.skipIf('missing' in chromium)(`signing in to the console${note}`, () => {
  let browser: Browser;
  let site: Console;
  let provider: TestProvider;
  let complaints: string[] = [];
  let sequence = 0;

  beforeAll(async () => {
    execFileSync(process.execPath, ['apps/admin/build.mjs'], { stdio: 'pipe' });
    if ('path' in chromium) browser = await launch(chromium.path);
    site = await Console.start();
    provider = await startOpenIdProvider([`${site.url}/v1/session/oidc/acme/callback`]);
    await site.offer({ key: 'acme', name: 'Acme', issuer: provider.issuer, ...CLIENT, allowedDomains: ['acme.test'] });
  });

  afterAll(async () => {
    await browser?.close();
    await provider.close();
    await site.stop();
  });

  afterEach(async () => {
    await Promise.all(browser.contexts().map((context) => context.close()));
    if (complaints.length > 0) throw new Error(`the page complained: ${complaints.join('; ')}`);
  });

  async function open(hash = '', options: BrowserContextOptions = {}): Promise<Page> {
    const watched = await openPage(browser, `${site.url}/admin/${hash}`, options);
    complaints = watched.complaints;
    return watched.page;
  }
  const newUser = async (): Promise<{ email: string; id: string }> => {
    sequence += 1;
    const email = `user-${sequence}@example.com`;
    return { email, id: await site.user(email) };
  };
  async function signIn(page: Page, email: string): Promise<void> {
    await page.getByLabel('E-mail').fill(email);
    await page.getByLabel('Password').fill(PASSWORD);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Security' }).waitFor();
  }
  const signOut = async (page: Page): Promise<void> => {
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  };
  /** Without offers under the e-mail field, which a virtual authenticator accepts before anybody can press a button. */
  async function openWithoutOffers(): Promise<Page> {
    const page = await open();
    await page.addInitScript(() => {
      PublicKeyCredential.isConditionalMediationAvailable = () => Promise.resolve(false);
    });
    await page.reload();
    return page;
  }
  const section = (page: Page, name: string) => page.getByRole('region', { name });

  it('offers what the installation has, and nothing else', async () => {
    const page = await open();
    const withoutSlash = await fetch(site.url.replace('localhost', '127.0.0.1') + '/admin', { redirect: 'manual' });
    expect(withoutSlash.headers.get('location')).toMatch(/\/admin\/$/);
    await page.getByRole('link', { name: 'Continue with Acme' }).waitFor();
    expect(await page.getByRole('button', { name: 'Use a passkey' }).isVisible()).toBe(true);
    expect(await page.getByRole('button', { name: 'E-mail me a sign-in link' }).count()).toBe(0);
    expect(await page.getByRole('button', { name: 'Forgot your password?' }).count()).toBe(0);
    expect(await page.getByLabel('E-mail').getAttribute('autocomplete')).toBe('username webauthn');
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('email');
  });

  it('adds a passkey, signs in with it without a name, renames and removes it', async () => {
    const { email } = await newUser();
    const page = await openWithoutOffers();
    const authenticator = await VirtualAuthenticator.plugIn(page.context(), page);
    await signIn(page, email);
    const passkeys = section(page, 'Passkeys');
    await passkeys.getByText('You have no passkey yet.').waitFor();
    await passkeys.getByRole('button', { name: 'Add a passkey' }).click();
    await passkeys.getByRole('listitem').getByText('never used').waitFor();
    expect(await authenticator.credentials()).toMatchObject([{ isResidentCredential: true, rpId: 'localhost' }]);
    await signOut(page);
    await page.getByRole('button', { name: 'Use a passkey' }).click();
    await page.getByRole('heading', { name: 'Security' }).waitFor();
    expect(await page.getByText(email, { exact: true }).isVisible()).toBe(true);
    await passkeys.getByText('last used').waitFor();
    await section(page, 'Where you are signed in').getByText('By passkey').first().waitFor();

    await passkeys.getByRole('button', { name: /^Rename/ }).click();
    await page.getByLabel('Name of the passkey').fill('My laptop');
    await page.keyboard.press('Enter');
    await passkeys.getByText('My laptop').waitFor();
    await passkeys.getByRole('button', { name: 'Remove My laptop' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
    await passkeys.getByText('You have no passkey yet.').waitFor();
  });

  it('signs in by the passkey that the browser offers under the e-mail field', async () => {
    const { email } = await newUser();
    const page = await open();
    await VirtualAuthenticator.plugIn(page.context(), page);
    await signIn(page, email);
    await page.getByRole('button', { name: 'Add a passkey' }).click();
    await page.getByText('never used').waitFor();
    // The virtual authenticator chooses as soon as the page offers; nobody presses anything.
    await page.getByRole('button', { name: 'Sign out' }).click();
    await section(page, 'Where you are signed in').getByText('By passkey').first().waitFor();
    expect(await page.getByText(email, { exact: true }).isVisible()).toBe(true);
  });

  it('tells when a passkey is unknown here, was not recognised, or is held already', async () => {
    const { email, id } = await newUser();
    const page = await openWithoutOffers();
    const authenticator = await VirtualAuthenticator.plugIn(page.context(), page);
    await signIn(page, email);
    const passkeys = section(page, 'Passkeys');
    await passkeys.getByRole('button', { name: 'Add a passkey' }).click();
    await passkeys.getByRole('listitem').first().waitFor();
    await passkeys.getByRole('button', { name: 'Add a passkey' }).click();
    await passkeys.getByText('This device holds a passkey for you already.').waitFor();
    await signOut(page);
    await authenticator.recognises(false);
    await page.getByRole('button', { name: 'Use a passkey' }).click();
    await page.getByText('No passkey was used. Try again, or choose another way.').waitFor();
    await authenticator.recognises(true);
    await site.test.database.query('DELETE FROM passkeys WHERE user_id = $1', [id]);
    await page.getByRole('button', { name: 'Use a passkey' }).click();
    await page.getByText('This passkey is not known here any more.').waitFor();
    expect(await page.getByRole('heading', { name: 'Security' }).count()).toBe(0);
  });

  it('goes to the identity provider and comes back signed in', async () => {
    provider.accounts.set('grace', { email: 'grace@acme.test', email_verified: true, name: 'Grace' });
    provider.person = 'grace';
    const page = await open('#security');
    await page.getByRole('link', { name: 'Continue with Acme' }).click();
    await page.getByRole('heading', { name: 'Security' }).waitFor();
    expect(await page.getByText('grace@acme.test', { exact: true }).isVisible()).toBe(true);
    expect(new URL(page.url()).hash).toBe('#security');
    await page.reload();
    await section(page, 'Linked accounts').getByText('Acme', { exact: true }).waitFor();
  });

  it('says what went wrong at the identity provider, once', async () => {
    provider.person = undefined;
    const page = await open();
    await page.getByRole('link', { name: 'Continue with Acme' }).click();
    await page.getByRole('alert').getByText('You cancelled at the provider.').waitFor();
    expect(page.url()).toBe(`${site.url}/admin/`);
    await page.reload();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    expect(await page.getByText('You cancelled at the provider.').count()).toBe(0);
  });

  it('links an account, after a proof when the sign-in is old, and unlinks it', async () => {
    const { email, id } = await newUser();
    provider.accounts.set('private', { email: 'me@home.test', email_verified: false });
    provider.person = 'private';
    const page = await open();
    await signIn(page, email);
    await site.test.database.query(
      `UPDATE user_sessions SET proved_at = proved_at - interval '1 hour' WHERE user_id = $1`,
      [id],
    );
    await page.getByRole('button', { name: 'Link Acme' }).click();
    const dialog = page.getByRole('dialog', { name: 'Confirm that it is you' });
    await dialog.getByLabel('Your password').fill('wrong');
    await page.keyboard.press('Enter');
    await dialog.getByRole('alert').getByText(/wrong/).waitFor();
    await dialog.getByLabel('Your password').fill(PASSWORD);
    await page.keyboard.press('Enter');
    const linked = section(page, 'Linked accounts');
    await linked.getByText('me@home.test').waitFor();
    await linked.getByRole('button', { name: 'Unlink Acme' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Unlink' }).click();
    await linked.getByText('The account was unlinked.').waitFor();
    await linked.getByText('You have linked no account yet.').waitFor();
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Linked accounts');
  });

  it('sets up a second factor, asks for it, and takes a recovery code', async () => {
    const { email } = await newUser();
    const page = await open();
    await signIn(page, email);
    const factor = section(page, 'Second factor');
    await factor.getByRole('button', { name: 'Set up an authenticator app' }).click();
    await factor.getByRole('img', { name: 'QR code for your authenticator app' }).waitFor();
    const secret = (await factor.locator('code').textContent())!.replaceAll(' ', '');
    await factor.getByLabel('The code that the app shows now').fill(await codeOf(secret));
    await page.keyboard.press('Enter');
    const codes = factor.getByRole('list', { name: 'Recovery codes' }).getByRole('listitem');
    await codes.first().waitFor();
    const recovery = (await codes.first().textContent())!;
    expect(await codes.count()).toBe(10);
    await factor.getByRole('button', { name: 'I have kept them' }).click();
    await factor.getByText('On. 10 recovery codes left.').waitFor();

    await signOut(page);
    await page.getByLabel('E-mail').fill(email);
    await page.getByLabel('Password').fill(PASSWORD);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'One more step' }).waitFor();
    await page.getByLabel('Code').fill('000000');
    await page.keyboard.press('Enter');
    await page
      .getByRole('alert')
      .getByText(/code is wrong/)
      .waitFor();
    await page.getByRole('button', { name: 'Use a recovery code instead' }).click();
    await page.getByLabel('Recovery code').fill(recovery);
    await page.keyboard.press('Enter');
    await factor.getByText('On. 9 recovery codes left.').waitFor();
  });

  it('takes mailed links: to sign in, to choose a password, to accept an invitation; each once, none left in the address', async () => {
    const { email, id } = await newUser();
    const magic = await site.link('magic-link', id);
    const page = await open(`#magic=${magic}`);
    expect(page.url()).toBe(`${site.url}/admin/`);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByText(email, { exact: true }).waitFor();
    const again = await open(`#magic=${magic}`);
    await again.getByRole('button', { name: 'Sign in', exact: true }).click();
    await again.getByRole('alert').getByText('This link was used').waitFor();

    const reset = await open(`#password-reset=${await site.link('password-reset', id)}`);
    await reset.getByLabel('New password').fill('another horse battery');
    await reset.keyboard.press('Enter');
    await reset.getByText('Your password was changed').waitFor();
    await page.reload();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();

    const guest = await site.user('guest@example.com');
    await site.test.database.query('UPDATE users SET password_hash = NULL WHERE id = $1', [guest]);
    const invited = await open(`#invitation=${await site.link('staff-invitation', guest)}`);
    await invited.getByLabel('Your name').fill('Guest');
    await invited.getByRole('button', { name: 'Accept the invitation' }).click();
    await invited.getByText('guest@example.com', { exact: true }).waitFor();
  });

  it('lists sessions, ends another one, and says so in that one', async () => {
    const { email } = await newUser();
    const page = await open();
    await signIn(page, email);
    const other = await open();
    await signIn(other, email);
    await page.reload();
    const sessions = section(page, 'Where you are signed in');
    await sessions.getByText('This one').waitFor();
    await sessions.getByRole('button', { name: /^End the session/ }).click();
    await sessions.getByText('The session was ended.').waitFor();
    await other.getByRole('button', { name: 'Add a passkey' }).click();
    await other.getByRole('alert').getByText('Your sign-in has ended.').waitFor();
    expect(await other.getByText(email, { exact: true }).isVisible()).toBe(false);
  });

  it('changes the password', async () => {
    const { email } = await newUser();
    const page = await open();
    await signIn(page, email);
    const password = section(page, 'Password');
    await password.getByLabel('Current password').fill('not the right one');
    await password.getByLabel('New password').fill('another horse battery');
    await page.keyboard.press('Enter');
    await password.getByRole('alert').getByText(/wrong/).waitFor();
    await password.getByLabel('Current password').fill(PASSWORD);
    await page.keyboard.press('Enter');
    await password.getByText('Your password was changed.').waitFor();
    expect(await password.getByLabel('New password').inputValue()).toBe('');
  });

  it.each([
    ['light', 'light' as const],
    ['dark', 'dark' as const],
  ])('fits 360 pixels in %s and names every control', async (_, colorScheme) => {
    const { email } = await newUser();
    const page = await open('', { viewport: { width: 360, height: 720 }, colorScheme });
    await page.getByRole('link', { name: 'Continue with Acme' }).waitFor();
    const overflow = () => page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    expect(await overflow()).toBe(0);
    await signIn(page, email);
    await section(page, 'Where you are signed in').getByText('This one').waitFor();
    expect(await overflow()).toBe(0);
    const nameless = await page.evaluate(() =>
      [...document.querySelectorAll('button, a, input')]
        .filter((element) => element.checkVisibility())
        .filter(
          (element) =>
            !(
              element.textContent ||
              element.getAttribute('aria-label') ||
              (element as HTMLInputElement).labels?.length
            ),
        )
        .map((element) => element.outerHTML),
    );
    expect(nameless).toEqual([]);
  });
});

async function codeOf(secret: string): Promise<string> {
  const { generate } = await import('otplib');
  return generate({ secret });
}
