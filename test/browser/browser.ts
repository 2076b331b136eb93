import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';

const ARGUMENTS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Nothing but this machine resolves: a page that asks another host fails its test.
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
];

/** Where the browser is, or why its tests do not run. On CI a missing browser is a failure, not a skip. */
export function chromiumPath(): { readonly path: string } | { readonly missing: string } {
  const path = process.env['WIREBOT_TEST_CHROMIUM'];
  if (path) return { path };
  const missing = 'WIREBOT_TEST_CHROMIUM does not name a Chromium';
  if (process.env['CI'] === 'true') throw new Error(`${missing}, and CI must not skip the browser tests`);
  return { missing };
}

export const launch = (executablePath: string): Promise<Browser> =>
  chromium.launch({ executablePath, args: ARGUMENTS, timeout: 60_000 });

/** What a page complained about: errors, blocked content, failed scripts. */
export interface Watched {
  readonly page: Page;
  readonly complaints: string[];
}

/** Opens a page that notes every complaint, so that a test can end by asking for silence. */
export async function openPage(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Watched> {
  const context = await browser.newContext({ viewport: { width: 1180, height: 800 }, locale: 'en-GB', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error' && !/Failed to load resource|WebSocket connection/.test(message.text()))
      complaints.push(message.text());
  });
  await page.goto(url);
  return { page, complaints };
}
