import { execFileSync } from 'node:child_process';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { AdminStandIn } from './admin-stand-in.js';
import { chromiumPath, launch, openPage } from './browser.js';

const chromium = chromiumPath();
const note = 'missing' in chromium ? ` (skipped: ${chromium.missing})` : '';

describe.skipIf('missing' in chromium)(`the operator page${note}`, () => {
  let browser: Browser;
  let standIn: AdminStandIn;
  let url: string;
  let complaints: string[];

  beforeAll(async () => {
    execFileSync(process.execPath, ['apps/admin/build.mjs'], { stdio: 'pipe' });
    if ('path' in chromium) browser = await launch(chromium.path);
  });

  afterAll(() => browser?.close());

  beforeEach(async () => {
    standIn = new AdminStandIn();
    url = await standIn.start();
  });

  afterEach(async () => {
    await Promise.all(browser.contexts().map((context) => context.close()));
    await standIn.stop();
    if (complaints.length > 0) throw new Error(`the page complained: ${complaints.join('; ')}`);
  });

  async function signIn(password: string, options: BrowserContextOptions = {}): Promise<Page> {
    const watched = await openPage(browser, url, options);
    complaints = watched.complaints;
    await watched.page.getByLabel('E-mail').fill('admin@example.com');
    await watched.page.getByLabel('Password').fill(password);
    await watched.page.keyboard.press('Enter');
    return watched.page;
  }

  it('refuses a wrong password and says so', async () => {
    const page = await signIn('wrong');
    await page.getByRole('alert').getByText('E-mail or password is not right.').waitFor();
    expect(await page.getByRole('heading', { name: 'Overview' }).count()).toBe(0);
  });

  it('shows members, gateways with the reason of a failure, and operations with their steps', async () => {
    const page = await signIn('right');
    await page.getByText('Live', { exact: true }).waitFor();
    await page.getByRole('table', { name: 'Members' }).getByText('Jonas Okafor').waitFor();
    await page.getByText('image-missing: The image is not on this host.').waitFor();
    await page.getByRole('progressbar', { name: 'Progress of provision' }).waitFor();
    expect(await page.getByText('admin@example.com').isVisible()).toBe(true);
  });

  it('shows a change as it happens, and after a broken connection what happened meanwhile', async () => {
    const page = await signIn('right');
    const row = page.getByRole('row').filter({ hasText: 'op_1' });
    await row.getByText('running').waitFor();
    await expect.poll(() => standIn.subscriptions.length).toBe(1);
    standIn.update('op_1', {
      progress: 0.9,
      status: 'failed',
      error: { code: 'engine-down', message: 'Start the engine.' },
    });
    await row.getByText('engine-down: Start the engine.').waitFor();
    standIn.cut();
    standIn.update('op_1', { status: 'succeeded', error: null });
    await row.getByText('succeeded').waitFor();
    expect(standIn.subscriptions.at(-1)).toMatchObject({ after: '1.1' });
  });

  it('signs out', async () => {
    const page = await signIn('right');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    await page.reload();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    expect(await page.getByText('admin@example.com').isVisible()).toBe(false);
  });

  it('fits 360 pixels', async () => {
    const page = await signIn('right', { viewport: { width: 360, height: 720 } });
    await page.getByText('Jonas Okafor').waitFor();
    expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)).toBe(0);
  });
});
