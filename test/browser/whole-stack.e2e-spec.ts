import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Api } from '../support/api.js';
import { type Model, startModel } from '../support/model.js';
import { drivers, TestStack } from '../support/stack.js';
import { chromiumPath, launch, openPage } from './browser.js';

const chromium = chromiumPath();
const note = 'missing' in chromium ? ` (skipped: ${chromium.missing})` : '';

describe.skipIf('missing' in chromium)(`a person in the browser, on the whole stack${note}`, () => {
  let browser: Browser;
  let model: Model;
  let stack: TestStack;
  let api: Api;

  beforeAll(async () => {
    model = await startModel();
    stack = await TestStack.start({ driver: drivers.at(-1)!, env: model.env });
    api = new Api(stack.file);
    if ('path' in chromium) browser = await launch(chromium.path);
  });

  afterAll(async () => {
    await browser?.close();
    await stack.dispose();
    await model.api.close();
  });

  const ask = async (page: Page, text: string) => {
    await page.getByLabel('Message', { exact: true }).fill(text);
    await page.keyboard.press('Enter');
  };
  const transcript = (page: Page) => page.locator('#transcript');
  const signInLink = async (member: string): Promise<string> =>
    (await api.call<{ url: string }>('POST', `/v1/members/${member}/sign-in-links`, {})).body.url;

  it('opens the link of the membership site, chats, and finds the conversation again after a reload', async () => {
    await api.provisioned('mara', 'freewire');
    const { page, complaints } = await openPage(browser, await signInLink('mara'));
    await ask(page, 'plan my week [[words 12]]');
    await transcript(page).getByText('word11').waitFor();
    expect(page.url()).not.toContain('code=');
    await page.reload();
    await transcript(page).getByText('word11').waitFor();
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  it('keeps the conversation on the screen through a tier change, and answers on the new gateway', async () => {
    await api.provisioned('tia', 'freewire');
    const { page } = await openPage(browser, await signInLink('tia'));
    await ask(page, 'before the upgrade');
    await transcript(page).getByText('Answer to "before the upgrade"').waitFor();
    await api.provisioned('tia', 'sovereign');
    await ask(page, 'after the upgrade');
    await transcript(page).getByText('Answer to "after the upgrade" (message 3)').waitFor({ timeout: 20_000 });
    expect(await transcript(page).getByText('Answer to "before the upgrade"').count()).toBe(1);
    await page.context().close();
  });

  it('lets a sign-in link work once', async () => {
    await api.provisioned('uma', 'freewire');
    const link = await signInLink('uma');
    const first = await openPage(browser, link);
    await first.page.getByLabel('Message', { exact: true }).waitFor();
    await first.page.context().close();
    const second = await openPage(browser, link);
    await second.page.getByRole('heading', { name: 'This link has been used or is too old' }).waitFor();
    expect(await second.page.getByLabel('Message', { exact: true }).isVisible()).toBe(false);
    await second.page.context().close();
  });

  it('shows the operator members, gateways and operations, live', async () => {
    const { page, complaints } = await openPage(browser, `${stack.file.controlPlane.url}/admin/`);
    await page.getByLabel(/e-?mail/i).fill(stack.file.admin.email);
    await page.getByLabel(/password/i).fill(stack.file.admin.password);
    await page.keyboard.press('Enter');
    await page.getByText('mara@example.com').waitFor();
    await api.provisioned('late', 'freewire');
    await page.getByText('late@example.com').waitFor();
    expect(complaints).toEqual([]);
    await page.context().close();
  });
});
