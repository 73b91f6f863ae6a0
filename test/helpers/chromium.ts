// A headless Chromium that is on this machine; tests in a browser are left out where there is none.
import { existsSync } from 'node:fs';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll } from 'vitest';

const places = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/snap/bin/chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];

/** The browser's program; undefined where this machine has none. */
export const chromiumFile = places.find((file) => existsSync(file));

if (chromiumFile === undefined) {
  console.warn('The tests that click in a browser are left out: there is no Chromium on this machine.');
}

/** What is appended to the name of tests that are left out. */
export const withoutChromium = chromiumFile === undefined ? ' (left out: no Chromium on this machine)' : '';

/** A page with what went wrong in it. */
export interface WatchedPage {
  readonly page: Page;
  /** Errors of its code and breaches of its policy. */
  readonly faults: string[];
  /** Hosts that it asked. */
  readonly hosts: Set<string>;
}

/** Opens pages in a browser that is there for the tests of the file that calls it. */
export function browserPages(): (options?: BrowserContextOptions) => Promise<WatchedPage> {
  let browser: Browser;
  beforeAll(async () => {
    // Debian's Chromium has no sandbox for root, as whom containers run.
    const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
    browser = await chromium.launch({ executablePath: chromiumFile!, args });
  });
  afterAll(() => browser?.close());
  return async (options = {}) => {
    const context = await browser.newContext(options);
    context.setDefaultTimeout(20_000);
    const page = await context.newPage();
    const watched: WatchedPage = { page, faults: [], hosts: new Set() };
    page.on('pageerror', (error) => watched.faults.push(error.message));
    page.on('console', (message) => {
      const text = message.text();
      // Refusals of the guard are shown as failed loads, and are none of the page.
      if (message.type() === 'error' && !text.startsWith('Failed to load resource'))
        watched.faults.push(text);
    });
    page.on('request', (request) => watched.hosts.add(new URL(request.url()).host));
    return watched;
  };
}
