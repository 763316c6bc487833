// What a person does on the page, in a real browser.
//
// usage: node page.mjs URL USER_TOKEN ADMIN_TOKEN SCREENSHOTS
//
// Environment: DM_PLAYWRIGHT, the directory of playwright-core; DM_CHROMIUM, the browser, Debian's by default.

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';

const { chromium } = createRequire(import.meta.url)(process.env.DM_PLAYWRIGHT);
const [url, userToken, adminToken, screenshots] = process.argv.slice(2);
const WIDTHS = { phone: { width: 390, height: 844 }, desk: { width: 1280, height: 900 } };
const THEMES = ['light', 'dark'];

const browser = await chromium.launch({
  executablePath: process.env.DM_CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-dev-shm-usage'],
});
await mkdir(screenshots, { recursive: true });

/** A page of its own, which fails the test by whatever the browser complains of. */
async function open() {
  const context = await browser.newContext({ viewport: WIDTHS.desk });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.complaints = [];
  page.on('console', (message) => {
    // The browser notes each refusal, and these belong to signing in: 401 to a token that is not known, 400 to the
    // administrator, who is no user.
    if (message.type() === 'error' && !/status of 40[01]/.test(message.text())) page.complaints.push(message.text());
  });
  page.on('pageerror', (error) => page.complaints.push(String(error)));
  page.on('request', (request) => {
    const { protocol, origin } = new URL(request.url());
    if (protocol !== 'blob:' && origin !== new URL(url).origin) page.complaints.push(`asks ${request.url()}`);
  });
  return page;
}

/** What is shown now, at each width in each theme. It never has to be scrolled sideways. */
async function photograph(page, name) {
  for (const [width, viewport] of Object.entries(WIDTHS)) {
    await page.setViewportSize(viewport);
    for (const colorScheme of THEMES) {
      await page.emulateMedia({ colorScheme });
      const excess = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert(excess <= 0, `${name} is ${excess} pixels wider than ${width}`);
      await page.screenshot({ path: path.join(screenshots, `${name}-${width}-${colorScheme}.png`), animations: 'disabled' });
    }
  }
  await page.setViewportSize(WIDTHS.desk);
}

async function signIn(page, token) {
  await page.goto(url);
  await page.getByLabel('Token').fill(token);
  // By the keyboard alone.
  await page.keyboard.press('Enter');
}

async function asUser() {
  const page = await open();
  await signIn(page, 'no-such-token');
  await page.getByRole('alert').getByText('This token is not known.').waitFor();
  await photograph(page, 'sign-in');
  await page.getByLabel('Token').fill(userToken);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Projects' }).waitFor();
  await photograph(page, 'projects');

  await page.getByRole('link', { name: 'hello', exact: true }).click();
  await page.getByText('Nothing has been run yet.').or(page.locator('.rows time').first()).waitFor();
  await startRun(page);
  await followLog(page);
  await approveAndFinish(page);
  const finished = page.url();
  await page.getByRole('button', { name: 'Restart', exact: true }).click();
  await page.waitForURL((address) => address.href !== finished);
  await page.getByRole('button', { name: 'Stop' }).click();
  await page.locator('.facts .state.stopped').waitFor();
  await page.getByRole('link', { name: 'My runs' }).click();
  await page.getByRole('heading', { name: /^Runs of / }).waitFor();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByLabel('Token').waitFor();
  assert.deepEqual(page.complaints, []);
}

/** By the keyboard: to the button, and Enter. */
async function startRun(page) {
  await page.getByRole('button', { name: 'Start a run' }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: /^#\d+ / }).waitFor();
  await page.locator('.graph a').first().waitFor();
}

async function followLog(page) {
  // It writes a line each second.
  const running = page.locator('.graph a.running', { hasText: 'count up' });
  await running.waitFor();
  await photograph(page, 'run');
  await running.click();
  const log = page.getByLabel('Log', { exact: true });
  const lines = async () => (await log.innerText()).split('\n').filter(Boolean).length;
  await page.waitForFunction(() => document.querySelector('.log')?.textContent);
  const before = await lines();
  // More of them, while it is looked at.
  await page.waitForFunction(
    (count) => document.querySelector('.log').textContent.split('\n').filter(Boolean).length > count, before);
  await photograph(page, 'log');
  await page.goBack();
}

async function approveAndFinish(page) {
  const approve = page.getByRole('button', { name: /^Approve / });
  await approve.waitFor();
  await photograph(page, 'approval');
  await approve.click();
  await page.locator('.facts .state.success').waitFor();
  await photograph(page, 'finished');
}

async function asOperator() {
  const page = await open();
  await signIn(page, adminToken);
  await page.getByRole('link', { name: 'Operator' }).click();
  for (const service of ['configstore', 'runservice']) {
    await page.getByRole('heading', { name: service }).waitFor();
  }
  assert.equal(await page.getByRole('table').count(), 2);
  await photograph(page, 'operator');
  assert.deepEqual(page.complaints, []);
}

try {
  await Promise.all([asUser(), asOperator()]);
  console.log('the page does what it should');
} catch (error) {
  for (const [index, page] of browser.contexts().flatMap((context) => context.pages()).entries()) {
    await page.screenshot({ path: path.join(screenshots, `failure-${index}.png`) });
    console.error(page.url(), await page.locator('body').innerText(), page.complaints);
  }
  throw error;
} finally {
  await browser.close();
}
