import { execFileSync } from 'node:child_process';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { chromiumPath, launch, openPage } from './browser.js';
import { StandIn } from './stand-in.js';

const chromium = chromiumPath();
const note = 'missing' in chromium ? ` (skipped: ${chromium.missing})` : '';
const NARROW: BrowserContextOptions = { viewport: { width: 360, height: 720 }, hasTouch: true };
const LONG = Array.from({ length: 60 }, (_, at) => `word${at}`).join(' ');

describe.skipIf('missing' in chromium)(`the chat page${note}`, () => {
  let browser: Browser;
  let standIn: StandIn;
  let url: string;
  let complaints: string[];

  beforeAll(async () => {
    execFileSync(process.execPath, ['apps/chat/build.mjs'], { stdio: 'pipe' });
    if ('path' in chromium) browser = await launch(chromium.path);
  });

  afterAll(() => browser?.close());

  beforeEach(async () => {
    standIn = new StandIn();
    url = await standIn.start();
  });

  afterEach(async () => {
    await Promise.all(browser.contexts().map((context) => context.close()));
    await standIn.stop();
    // A script error, or anything that the strict content policy blocked.
    if (complaints.length > 0) throw new Error(`the page complained: ${complaints.join('; ')}`);
  });

  async function open(hash = '', options: BrowserContextOptions = {}): Promise<Page> {
    const watched = await openPage(browser, url + hash, options);
    complaints = watched.complaints;
    return watched.page;
  }

  const ask = async (page: Page, text: string) => {
    await page.getByLabel('Message', { exact: true }).fill(text);
    await page.keyboard.press('Enter');
  };
  const answer = (page: Page) => page.locator('.prose').last();
  const overflow = (page: Page) => page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);

  it('says how to get in when nobody is signed in', async () => {
    standIn.signedIn = false;
    const page = await open();
    await page.getByRole('heading', { name: 'Please sign in' }).waitFor();
    expect(await page.getByRole('textbox').count()).toBe(0);
  });

  it('signs in with the code of a link and removes it from the address', async () => {
    standIn.signedIn = false;
    const page = await open('#code=fresh');
    await page.getByText('Mara Lindqvist').waitFor();
    expect(page.url()).toBe(url);
    expect(await page.title()).toBe('Harbour');
  });

  it('explains a link that was used before, and takes a new one in the same tab', async () => {
    standIn.signedIn = false;
    const page = await open('#code=used');
    await page.getByRole('heading', { name: 'This link has been used or is too old' }).waitFor();
    await page.goto(`${url}#code=fresh`);
    await page.getByText('Mara Lindqvist').waitFor();
    expect(page.url()).toBe(url);
  });

  it('greets, offers three beginnings, and streams the answer to one', async () => {
    standIn.pace = 30;
    const page = await open();
    await page.getByRole('heading', { name: standIn.brand.greeting }).waitFor();
    const starters = page.getByRole('list', { name: 'Suggestions' }).getByRole('button');
    expect(await starters.count()).toBe(3);
    await starters.first().click();
    await page.getByText('Writing').waitFor();
    await page.getByText('write down what done looks like.').first().waitFor();
    expect(await answer(page).locator('strong').textContent()).toBe('One thing');
    await page.getByRole('button', { name: 'Copy this answer' }).waitFor();
  });

  it('finishes an answer whose connection broke half way, without a gap or a repetition', async () => {
    standIn.answer = LONG;
    standIn.pace = 20;
    const page = await open();
    await ask(page, 'Go');
    await page.getByText('word10').first().waitFor();
    standIn.cut();
    await page.getByText('The connection was lost.').waitFor();
    await page.getByText('word59').first().waitFor();
    await page.getByRole('button', { name: 'Copy this answer' }).waitFor();
    expect(await answer(page).textContent()).toBe(LONG);
    expect(await page.locator('#banner').isHidden()).toBe(true);
    expect(standIn.messagesReceived()).toHaveLength(1);
  });

  it('counts down while the agent cannot be reached, and sends what was written meanwhile once', async () => {
    const page = await open();
    await expect.poll(() => standIn.sockets.size).toBe(1);
    standIn.refuseSockets = true;
    standIn.cut();
    await page.getByText(/Trying again in \d+ second/).waitFor();
    await ask(page, 'Are you there?');
    await page.getByText('Waiting for the connection').waitFor();
    standIn.refuseSockets = false;
    await page.getByRole('button', { name: 'Try now' }).click();
    await answer(page).getByText('One thing').waitFor();
    expect(new Set(standIn.messagesReceived().map((message) => message.idempotencyKey)).size).toBe(1);
  });

  it('says that it is offline and goes on by itself afterwards', async () => {
    const page = await open();
    await expect.poll(() => standIn.sockets.size).toBe(1);
    await page.context().setOffline(true);
    await page.getByText('You are offline.').waitFor();
    await ask(page, 'Later');
    await page.context().setOffline(false);
    await answer(page).getByText('One thing').waitFor();
  });

  it('takes an unsent message back into the field with Escape', async () => {
    const page = await open();
    await expect.poll(() => standIn.sockets.size).toBe(1);
    await page.context().setOffline(true);
    await page.getByText('You are offline.').waitFor();
    await ask(page, 'Not like this');
    await page.keyboard.press('Escape');
    expect(await page.getByLabel('Message', { exact: true }).inputValue()).toBe('Not like this');
    await page.getByRole('heading', { name: standIn.brand.greeting }).waitFor();
  });

  it('moves to the next gateway when its own one drains', async () => {
    const page = await open();
    await expect.poll(() => standIn.sockets.size).toBe(1);
    standIn.drain(900);
    await page.getByText('Your agent is being updated.').waitFor();
    await ask(page, 'Still me');
    await answer(page).getByText('One thing').waitFor();
  });

  it('names the time when a limit is reached, and lets the member write again then', async () => {
    standIn.limitSeconds = 2;
    const page = await open();
    await ask(page, 'One more');
    await page.getByText(/You can write again at \d\d:\d\d/).waitFor();
    await page.getByLabel('Message', { exact: true }).fill('And another');
    expect(await page.getByRole('button', { name: 'Send' }).isDisabled()).toBe(true);
    standIn.limitSeconds = null;
    await page.getByText(/You can write again at/).waitFor({ state: 'hidden' });
    await page.getByRole('button', { name: 'Try again' }).click();
    await answer(page).getByText('One thing').waitFor();
  });

  it('shows why an answer failed and tries again with a new message', async () => {
    standIn.failWith = 'The model did not answer in time.';
    const page = await open();
    await ask(page, 'Why?');
    await page.getByRole('alert').getByText('The model did not answer in time.').waitFor();
    standIn.failWith = null;
    await page.getByRole('button', { name: 'Try again' }).click();
    await answer(page).getByText('One thing').waitFor();
    expect(await page.getByRole('alert').count()).toBe(0);
    expect(new Set(standIn.messagesReceived().map((message) => message.idempotencyKey)).size).toBe(2);
  });

  it('stops an answer with Escape and keeps what was written of it', async () => {
    standIn.answer = LONG;
    standIn.pace = 40;
    const page = await open();
    await ask(page, 'Go');
    await page.getByText('word5').first().waitFor();
    await page.keyboard.press('Escape');
    await page.getByText('Stopped', { exact: true }).waitFor();
    expect(await answer(page).textContent()).toMatch(/^word0 .*word5/);
    expect(standIn.aborted.size).toBe(1);
  });

  it('lists conversations, opens one with its history, and begins a new one', async () => {
    standIn.addSession('ses_old', 'Spring prices', [['How much?', 'It **depends**.']]);
    const page = await open();
    await page.getByRole('link', { name: 'Spring prices' }).click();
    await page.getByText('It depends.').waitFor();
    expect(await page.getByRole('link', { name: 'Spring prices' }).getAttribute('aria-current')).toBe('page');
    await ask(page, 'And now?');
    await answer(page).getByText('One thing').waitFor();
    expect(standIn.messagesReceived()[0]!.session).toBe('ses_old');
    await page.reload();
    await page.getByText('It depends.').waitFor();
    await page.getByRole('link', { name: 'New conversation' }).click();
    await page.getByRole('heading', { name: standIn.brand.greeting }).waitFor();
    await page.goBack();
    await page.getByText('It depends.').waitFor();
  });

  it('goes on with the latest conversation, and says so, when no further one may be kept', async () => {
    standIn.addSession('ses_old', 'Spring prices', [['How much?', 'It depends.']]);
    standIn.sessionsFull = true;
    const page = await open();
    await page.getByText('It depends.').waitFor();
    await page.getByText('Your membership has no room for another conversation').waitFor();
    await ask(page, 'Then here');
    await answer(page).getByText('One thing').waitFor();
    expect(await page.locator('.exchange').count()).toBe(2);
  });

  it('shows what the member asks in another window', async () => {
    standIn.addSession('ses_old', 'Spring prices', [['How much?', 'It depends.']]);
    const first = await open('#c=ses_old');
    await first.getByText('It depends.').waitFor();
    const second = await open('#c=ses_old');
    await second.getByText('It depends.').waitFor();
    await expect.poll(() => standIn.sockets.size).toBe(2);
    await ask(second, 'From over here');
    await first.getByText('From over here').waitFor();
    await answer(first).getByText('One thing').waitFor();
  });

  it('treats what an agent writes as text, never as HTML', async () => {
    standIn.answer =
      '<img src=x onerror="document.title=1"> [x](javascript:document.title=1) <script>document.title=1</script>';
    const page = await open();
    await ask(page, 'Attack');
    await page.getByRole('button', { name: 'Copy this answer' }).waitFor();
    expect(await answer(page).locator('img, script, a').count()).toBe(0);
    expect(await answer(page).textContent()).toContain('<img src=x');
  });

  it('signs out, and a session that ends elsewhere leads to the door too', async () => {
    const page = await open();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
    standIn.signedIn = true;
    await page.reload();
    await expect.poll(() => standIn.sockets.size).toBe(1);
    standIn.signedIn = false;
    standIn.cut();
    await page.getByRole('heading', { name: 'Your sign-in has ended' }).waitFor();
  });

  it('works by keyboard alone, with a visible focus', async () => {
    standIn.addSession('ses_old', 'Spring prices', [['How much?', 'It depends.']]);
    const page = await open();
    await page.getByRole('link', { name: 'Spring prices' }).waitFor();
    await page.getByLabel('Message', { exact: true }).evaluate((field: HTMLElement) => field.blur());
    const reached: string[] = [];
    for (let presses = 0; presses < 14; presses += 1) {
      await page.keyboard.press('Tab');
      const focused = await page.evaluate(() => {
        if (document.activeElement === document.body) return null;
        const element = document.activeElement as HTMLElement;
        const style = getComputedStyle(element.closest('.field') ?? element);
        const visible = style.outlineStyle !== 'none' || style.boxShadow !== 'none';
        return { name: element.getAttribute('aria-label') ?? element.textContent.trim(), id: element.id, visible };
      });
      // Past the last control the focus visits the browser's own ones.
      if (!focused) continue;
      reached.push(focused.id || focused.name);
      expect(focused, `${focused.name} shows its focus`).toMatchObject({ visible: true });
    }
    expect(reached).toEqual(expect.arrayContaining(['skip', 'new', 'Spring prices', 'sign-out', 'message']));
    await page.getByLabel('Message', { exact: true }).focus();
    await page.keyboard.type('one');
    await page.keyboard.press('Shift+Enter');
    await page.keyboard.type('two');
    await page.keyboard.press('Enter');
    await answer(page).getByText('One thing').waitFor();
    expect(standIn.messagesReceived()[0]!.text).toBe('one\ntwo');
  });

  it('gives every control a name and every page one main part', async () => {
    const page = await open('', NARROW);
    await page.getByRole('heading', { name: standIn.brand.greeting }).waitFor();
    for (const control of await page.locator('button:visible, a:not(.skip):visible, textarea:visible').all()) {
      const named = await control.evaluate((element) => {
        const label = (element as HTMLTextAreaElement).labels?.[0]?.textContent;
        return {
          name: element.getAttribute('aria-label') ?? label ?? element.textContent,
          height: element.clientHeight,
        };
      });
      expect(named.name?.trim()).not.toBe('');
      expect(named.height, `${named.name} is large enough to hit`).toBeGreaterThanOrEqual(24);
    }
    expect(await page.locator('main:visible').count()).toBe(1);
    expect(await page.locator('h1').count()).toBe(1);
  });

  it('reads an answer out in sentences', async () => {
    const page = await open();
    await ask(page, 'Go');
    const pieces = () => page.locator('[aria-live] p').allTextContents();
    const whole = 'Good. One thing first: write down what done looks like.';
    await expect.poll(async () => (await pieces()).join(' ')).toBe(whole);
    // How many sentences come at once depends on the stream's pace; none is ever cut.
    for (const piece of await pieces()) expect(piece).toMatch(/[.:]$/);
  });

  it('fits 360 pixels in every state, and its list opens as a drawer that Escape closes', async () => {
    standIn.addSession('ses_old', 'W'.repeat(80), [
      ['x'.repeat(300), `| ${'y'.repeat(200)}\n\n\`\`\`\n${'z'.repeat(200)}\n\`\`\``],
    ]);
    const page = await open('#c=ses_old', NARROW);
    await page.locator('.prose pre').waitFor();
    expect(await overflow(page)).toBe(0);
    const opener = page.getByRole('button', { name: 'Conversations' });
    await opener.click();
    await page.getByRole('button', { name: 'Sign out' }).waitFor();
    expect(await overflow(page)).toBe(0);
    await page.keyboard.press('Escape');
    expect(await opener.evaluate((element) => element === document.activeElement)).toBe(true);
    standIn.cut();
    await page.getByText('Trying again').waitFor();
    expect(await overflow(page)).toBe(0);
  });

  it('follows the dark scheme and the tenant’s colour with enough contrast', async () => {
    standIn.brand = { ...standIn.brand, accent: '#101010' };
    const page = await open('', { colorScheme: 'dark' });
    await page.getByRole('heading', { name: standIn.brand.greeting }).waitFor();
    const colours = await page.evaluate(() => {
      const style = getComputedStyle(document.documentElement);
      return {
        paper: getComputedStyle(document.body).backgroundColor,
        ink: style.getPropertyValue('--accent-ink').trim(),
      };
    });
    expect(colours.paper).toBe('rgb(22, 21, 19)');
    expect(colours.ink).not.toBe('#101010');
  });

  it('does not move where less motion is asked for', async () => {
    standIn.pace = 100;
    const page = await open('', { reducedMotion: 'reduce' });
    await ask(page, 'Go');
    await page.getByText('Writing').waitFor();
    const pulse = page.locator('#transcript .pulse');
    expect(await pulse.evaluate((element) => getComputedStyle(element).animationIterationCount)).toBe('1');
  });
});
