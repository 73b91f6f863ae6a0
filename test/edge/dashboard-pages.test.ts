// The dashboard clicked, typed into and drawn on in headless Chromium, over a guard with nothing canned.
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drawDigit } from '../../gpu-worker/datasets/synthetic-digits.ts';
import type { AuditPageBody } from '../../shared/contracts/audit.ts';
import { dashboardPages } from '../../shared/contracts/dashboard.ts';
import type { DetectorList } from '../../shared/contracts/detector-summary.ts';
import { browserPages, chromiumFile, withoutChromium } from '../helpers/chromium.ts';
import {
  callerToken,
  type DashboardEdge,
  operatorToken,
  startDashboardEdge,
} from '../helpers/dashboard-edge.ts';
import { robustModel, robustnessReportOf } from '../helpers/robustness-report.ts';
import { digitFiles, screeningClient } from '../helpers/screening-edge.ts';

describe.skipIf(chromiumFile === undefined)(`the dashboard in Chromium${withoutChromium}`, () => {
  const open = browserPages();
  let guarded: DashboardEdge;

  beforeAll(async () => {
    guarded = await startDashboardEdge();
  });
  afterAll(() => guarded?.stop());

  const address = (path: string) => new URL(path, guarded.edge.url).href;
  /** Opens a page as an operator of this tab. */
  const openPage = async (path: string, options?: Parameters<typeof open>[0]) => {
    const watched = await open(options);
    // Any file of the origin will do to fill the storage that its pages read.
    await watched.page.goto(address('/dashboard/assets/style.css'));
    await watched.page.evaluate(`sessionStorage.setItem('nccr-guard.token', '${operatorToken}')`);
    await watched.page.goto(address(path));
    await watched.page.locator('#content').waitFor();
    return watched;
  };
  const infer = (pixels: Float32Array) => {
    const input = { name: 'input', datatype: 'FP32', shape: [1, 1, 28, 28], data: Array.from(pixels) };
    return guarded.call('/v2/models/mnist-lenet5/infer', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ inputs: [input] }),
    });
  };

  describe('signing in', () => {
    it('takes an operator’s token for this tab alone, and no other', async () => {
      const { page, faults } = await open();
      await page.goto(address('/dashboard'));
      const token = page.getByLabel('Token');
      await token.fill('a-token-that-nobody-knows');
      await token.press('Enter');
      await expectText(page.getByRole('alert'), 'This token is not known.');
      await token.fill(callerToken);
      await token.press('Enter');
      await expectText(page.getByRole('alert'), /the scope admin is needed/);
      expect(await page.locator('#content').isVisible()).toBe(false);
      await token.fill(operatorToken);
      await token.press('Enter');
      await page.getByRole('table').waitFor();
      expect(await token.isVisible()).toBe(false);
      // It outlives a visit to the next page, and not the tab.
      await page.getByRole('link', { name: 'Robustness' }).click();
      await page.getByRole('heading', { name: 'never-attacked' }).waitFor();
      const other = await page.context().newPage();
      await other.goto(address('/dashboard'));
      await other.getByLabel('Token').waitFor();
      expect(await page.context().cookies()).toEqual([]);
      await page.getByRole('button', { name: 'Sign out' }).click();
      await page.getByLabel('Token').waitFor();
      expect(await page.evaluate('sessionStorage.length')).toBe(0);
      expect(faults).toEqual([]);
    });
  });

  describe('the page of verdicts', () => {
    it('shows a verdict that was made while it is looked at, and its details by the keyboard', async () => {
      const { page, faults } = await openPage('/dashboard/verdicts');
      await page.locator('#news').filter({ hasText: /\w/ }).waitFor();
      const answer = await infer(drawDigit(3, 1));
      const id = answer.headers.get('x-guard-verdict-id');
      const row = page.locator(`tr[data-id="${id}"]`);
      await row.getByText('allow').waitFor();
      await expectText(page.locator('#news'), /1 new|verdicts shown/);
      await row.getByRole('button').focus();
      await page.keyboard.press('Enter');
      const dialog = page.getByRole('dialog');
      await dialog.getByText(id!, { exact: true }).waitFor();
      // It is read from its beginning on.
      expect(await hasFocus(dialog.getByRole('heading', { name: 'Verdict' }))).toBe(true);
      await page.keyboard.press('Escape');
      await dialog.waitFor({ state: 'hidden' });
      // The dialog gives the focus back, as a dialog of the platform does.
      expect(await hasFocus(row.getByRole('button'))).toBe(true);
      await page.locator('#verdict').selectOption('block');
      await row.waitFor({ state: 'detached' });
      expect(faults).toEqual([]);
    });
  });

  describe('the page of verdicts, left open for long', () => {
    const ids = 'gv_00000000-0000-7000-8000-';
    afterAll(() => guarded.edge.storage.run({ sql: `DELETE FROM verdicts WHERE id LIKE '${ids}%'` }));

    it('begins anew where it would hold too many, and leaves none out before the older ones', async () => {
      await (await infer(drawDigit(3, 1))).arrayBuffer();
      const columns =
        'request_id, request_digest, model, mode, verdict, enforced, score, failure, artefact, noise_key_id, principal';
      const at = "strftime('%Y-%m-%dT%H:%M:%fZ', at, '-' || i || ' seconds')";
      const id = `printf('${ids}%012x', i)`;
      const many = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600)';
      const copies = `SELECT ${id}, ${at}, ${columns}, json_set(body, '$.id', ${id}, '$.at', ${at})`;
      const sql = `${many} INSERT INTO verdicts (id, at, ${columns}, body) ${copies} FROM (SELECT * FROM verdicts LIMIT 1), n`;
      const counted = async () => {
        const [rows] = await guarded.edge.storage.run<{ rows: number }>({
          sql: 'SELECT count(*) AS rows FROM verdicts',
        });
        return rows[0].rows;
      };
      await expect.poll(counted).toBeGreaterThan(0);
      await guarded.edge.storage.run({ sql });
      const { page, faults } = await openPage('/dashboard/verdicts');
      const rows = page.locator('#rows tr');
      const older = page.getByRole('button', { name: 'Older verdicts' });
      for (let shown = 50; shown < 500; shown += 50) {
        await expect.poll(() => rows.count()).toBeGreaterThanOrEqual(shown);
        await older.click();
      }
      await expect.poll(() => rows.count()).toBeGreaterThanOrEqual(500);
      await (await infer(drawDigit(4, 1))).arrayBuffer();
      await expect.poll(() => rows.count(), { timeout: 10_000 }).toBe(50);
      await older.click();
      await expect.poll(() => rows.count()).toBe(100);
      const shown = await rows.evaluateAll((all) => all.map((row) => row.getAttribute('data-id')));
      const page100 = (await (await guarded.call('/v1/verdicts?limit=100')).json()) as AuditPageBody;
      expect(shown).toEqual(page100.verdicts.map(({ verdict }) => verdict.id));
      expect(faults).toEqual([]);
    }, 90_000);
  });

  describe('the page of scores', () => {
    it('draws the scores of the audit beside the calibrated threshold', async () => {
      for (let seed = 2; seed < 8; seed++) await (await infer(drawDigit(seed, seed))).arrayBuffer();
      const { page, faults } = await openPage('/dashboard/scores');
      // The demo's detector was calibrated to 5 %, with its threshold at -3.87.
      await page
        .getByRole('img', { name: /^Scores of [1-9]\d* scored inputs? of mnist-lenet5, threshold −3.87$/ })
        .waitFor();
      await expectText(page.locator('#expectation'), /promises 5 % of clean inputs/);
      await page.getByText('The bars as a table').click();
      expect(await page.locator('#bars tr').count()).toBeGreaterThan(1);
      await expectText(
        page.locator('#drift'),
        /^Too few inputs of the last day to compare with the calibration: \d+ of 100\.$/,
      );
      await expectText(page.locator('#outline-key'), /clean inputs of the calibration/);
      expect(await page.locator('#plot .expected').count()).toBe(1);
      await page.getByLabel('Model').selectOption('never-attacked');
      await expectText(page.locator('#status'), /^0 scored inputs/);
      await expectText(page.locator('#drift'), /keeps no clean scores/);
      expect(faults).toEqual([]);
    });
  });

  describe('the page of policies', () => {
    it('drafts, compares, publishes and rolls back, each after a question', async () => {
      const { page, faults } = await openPage('/dashboard/policies');
      await expectText(page.locator('#changes'), /Version 0 guards the model, in mode enforce/);
      await page.getByLabel('Mode', { exact: true }).selectOption('shadow');
      await page.getByLabel('Requests judged, in percent').fill('50');
      await page.getByLabel('timeout', { exact: true }).selectOption('pass');
      await page.getByLabel('Such a query').selectOption('block');
      await page.getByLabel('Within seconds').fill('600');
      expect(await page.getByRole('button', { name: 'Publish…' }).isDisabled()).toBe(true);
      await page.getByRole('button', { name: 'Save the draft' }).click();
      await expectText(page.locator('#status'), /The draft was saved/);
      const change = (path: string) => page.locator(`#changes tr[data-path="${path}"]`);
      await expectText(change('/mode'), /enforce\s*shadow/);
      await expectText(change('/sampling_percent'), /100\s*50/);
      await expectText(change('/failures/timeout'), /refuse\s*pass/);
      await expectText(change('/queries'), /none\{"matches_min":3,"window_s":600,"action":"block"\}/);
      expect(await policyOf('mnist-lenet5')).toMatchObject({ current: { version: 0 } });

      await page.getByRole('button', { name: 'Publish…' }).click();
      const dialog = page.getByRole('dialog');
      expect(await hasFocus(dialog.getByRole('button', { name: 'Cancel' }))).toBe(true);
      await dialog.getByRole('button', { name: 'Cancel' }).click();
      expect(await policyOf('mnist-lenet5')).toMatchObject({ current: { version: 0 } });
      await page.getByRole('button', { name: 'Publish…' }).press('Enter');
      await dialog.getByRole('button', { name: 'Publish' }).press('Enter');
      await expectText(page.locator('#changes'), /Version 1 guards the model, in mode shadow/);
      expect(await policyOf('mnist-lenet5')).toMatchObject({
        current: {
          version: 1,
          policy: { mode: 'shadow', failures: { timeout: 'pass' } },
          published_by: 'operator-token',
        },
        draft: null,
      });

      await page.getByRole('button', { name: 'Roll back to version 0' }).click();
      await dialog.getByRole('button', { name: 'Roll back' }).click();
      await expectText(page.locator('#changes'), /Version 2 guards the model, in mode enforce/);
      await expectText(page.locator('[data-version="2"]'), /Version 0 again/);
      expect(faults).toEqual([]);
    });

    it('says that the policy was changed by somebody else meanwhile, and changes nothing', async () => {
      const { page, faults } = await openPage('/dashboard/policies?model=never-attacked');
      await expectText(page.locator('#changes'), /Version 0 guards/);
      const body = JSON.stringify({ mode: 'off', reveal: 'nothing' });
      const headers = { 'content-type': 'application/json' };
      expect(
        (await guarded.call('/v1/policies/never-attacked', { method: 'PUT', headers, body })).status,
      ).toBe(200);
      await page.getByLabel('Callers are told').selectOption('scores');
      await page.getByRole('button', { name: 'Save the draft' }).click();
      await expectText(page.getByRole('alert'), /changed meanwhile/);
      expect(await policyOf('never-attacked')).toMatchObject({ draft: { policy: { reveal: 'nothing' } } });
      expect(faults).toEqual([]);
    });

    const policyOf = async (model: string) => (await guarded.call(`/v1/policies/${model}`)).json();
  });

  describe('the page of screenings', () => {
    it('follows a job to its end, and shows and saves its report', async () => {
      const { page, faults } = await openPage('/dashboard/screenings');
      await expectText(page.locator('#news'), /No screening yet/);
      const client = screeningClient(() => guarded.edge.url, operatorToken);
      const { id } = await client.create({ dataset: 'digits of the test' });
      const card = page.locator(`[data-id="${id}"]`);
      await card.getByRole('heading', { name: 'digits of the test' }).waitFor();
      await card.getByText('uploading').waitFor();
      for (const [file, bytes] of Object.entries(digitFiles(300))) await client.putPart(id, 1, bytes, file);
      expect((await client.call(`/v1/screenings/${id}/complete`, { method: 'POST' })).status).toBe(202);
      await card.getByText('completed').waitFor({ timeout: 60_000 });
      await expectText(page.locator('#news'), /digits of the test is completed/);
      await card.getByRole('link', { name: 'Report of digits of the test' }).press('Enter');
      const report = page.frameLocator('#report');
      await report.getByRole('heading', { name: 'Screening of digits of the test for poison' }).waitFor();
      // Its own style applies, which sets the page off by more than a browser does, and nothing in it may run.
      const [frame, heading] = [
        await page.locator('#report').boundingBox(),
        await report.locator('h1').boundingBox(),
      ];
      expect(heading!.x - frame!.x).toBeGreaterThan(15);
      expect(await page.locator('#report').getAttribute('sandbox')).toBe('');
      const download = page.waitForEvent('download');
      await page.getByRole('button', { name: 'Save as JSON' }).click();
      expect((await download).suggestedFilename()).toBe(`${id}.json`);
      expect(faults).toEqual([]);
    });
  });

  describe('the page of robustness', () => {
    it('shows the attack card of a detector, and says where there is none', async () => {
      const { page, faults } = await openPage('/dashboard/robustness');
      const attacked = page.locator('[data-model="mnist-lenet5"]');
      // As the card of the demo's detector has it.
      await expectText(attacked.getByRole('row').last(), /0\.3\s*adaptive-known\s*0 %\s*45 %/);
      await expectText(page.locator('[data-model="never-attacked"]'), /No report yet/);
      await expectText(page.locator('[data-model="mnist-lenet5-unguarded"]'), /No detector: the mode is off/);
      await expectText(page.locator('#no-reports'), /None yet/);
      expect(faults).toEqual([]);
    });

    it('lists the robustness reports that were sent in, says which of their models is guarded, and opens one', async () => {
      const { models } = (await (await guarded.call('/v1/detectors')).json()) as DetectorList;
      const { detector } = models.find(({ model }) => model === 'mnist-lenet5')!;
      const guardedModel = { ...robustModel('version 2', [0.3, 0.32, 0.31]), digest: detector!.model_digest };
      const report = robustnessReportOf([robustModel('version 1', [0.4, 0.42, 0.41]), guardedModel]);
      const sent = await guarded.call('/v1/robustness-reports', {
        method: 'POST',
        body: JSON.stringify(report),
      });
      expect(sent.status).toBe(201);
      const { page, faults } = await openPage('/dashboard/robustness');
      const rows = page.locator('[data-report]');
      await expectText(rows.first(), /version 1.*0\.410.*–.*4 images of digits/s);
      await expectText(rows.last(), /version 2.*0\.310.*25 %mnist-lenet5, never-attacked/s);
      await page.getByRole('button', { name: '4 images of digits' }).click();
      await page
        .frameLocator('#report')
        .getByRole('heading', { name: /^Robustness of version 1/ })
        .waitFor();
      expect(faults).toEqual([]);
    });
  });

  describe('the page on which a digit is attacked', () => {
    it('misleads the copy without a guard, and shows that the guard blocks what misleads it', async () => {
      const { page, faults, hosts } = await openPage('/dashboard/draw');
      await page.getByLabel('or take a').selectOption('3');
      await page.getByRole('button', { name: 'Attack', exact: true }).click();
      await expectText(page.locator('#course'), /^The model is misled\. \d+ quer/, 60_000);
      const [drawn, attacked] = [
        page.getByRole('region', { name: 'As drawn' }),
        page.getByRole('region', { name: 'As attacked' }),
      ];
      await attacked.getByRole('img', { name: /^Score / }).waitFor();
      await expectText(drawn, /mnist-lenet5-unguarded says3, sure to/);
      await expectText(drawn, /The guard says\s*✓allow/);
      await expectText(attacked, /mnist-lenet5-unguarded says[^3]/);
      // What the page says of the request is what the verdict says of the image: block and refused, or neither.
      const verdict = await attacked.getAttribute('data-verdict');
      await expectText(attacked, verdict === 'block' ? /HTTP 403, refused/ : /HTTP 200/);
      expect([...hosts]).toEqual([guarded.edge.url.host]);
      expect(faults).toEqual([]);
    });

    it('counts the queries that the guard refuses to an attacker who asks the guarded model', async () => {
      const { page, faults } = await openPage('/dashboard/draw');
      await page.getByLabel('or take a').selectOption('3');
      await page.getByLabel('The attacker asks').selectOption('mnist-lenet5');
      await page.getByLabel('Queries at most').selectOption('200');
      await page.getByRole('button', { name: 'Attack', exact: true }).click();
      await page.getByRole('region', { name: 'As attacked' }).waitFor({ timeout: 60_000 });
      const course = (await page.locator('#course').textContent()) ?? '';
      // Stripes of 0.3 are nothing like a digit: the detector tells them from the first on.
      expect(Number(/, (\d+) of them refused/.exec(course)?.[1])).toBeGreaterThan(0);
      expect(faults).toEqual([]);
    });

    it('is stopped on demand', async () => {
      const { page } = await openPage('/dashboard/draw');
      // Slow enough that there is time to click before an attack that soon succeeds has ended by itself.
      await page.route(/\/(infer|verdicts)\b/, async (route) => {
        await new Promise((resolve) => setTimeout(resolve, 500));
        await route.continue().catch(() => undefined);
      });
      await page.getByLabel('or take a').selectOption('1');
      await page.getByLabel('Largest change of a pixel').selectOption('0.1');
      await page.getByLabel('Queries at most').selectOption('3000');
      await page.getByRole('button', { name: 'Attack', exact: true }).click();
      await page.getByRole('button', { name: 'Stop' }).click();
      await page.getByRole('button', { name: 'Attack', exact: true, disabled: false }).waitFor();
    });

    it('is drawn on with the mouse, with a finger and with the keyboard', async () => {
      const { page, faults } = await openPage('/dashboard/draw', { hasTouch: true });
      await page.getByRole('button', { name: 'Attack', exact: true }).click();
      await expectText(page.getByRole('alert'), 'Draw something first.');
      const board = page.locator('#board');
      expect(await inked(page)).toBe(0);
      const { x, y, width } = (await board.boundingBox())!;
      await page.mouse.move(x + width / 2, y + width / 5);
      await page.mouse.down();
      await page.mouse.move(x + width / 2, y + (4 * width) / 5, { steps: 5 });
      await page.mouse.up();
      const byMouse = await inked(page);
      expect(byMouse).toBeGreaterThan(30);
      await page.touchscreen.tap(x + width / 5, y + width / 5);
      const byTouch = await inked(page);
      expect(byTouch).toBeGreaterThan(byMouse);
      await page.getByRole('button', { name: 'Clear' }).click();
      expect(await inked(page)).toBe(0);
      // From the button before it, Shift and Tab lead back to the board.
      await page.keyboard.press('Shift+Tab');
      expect(await hasFocus(board)).toBe(true);
      await expectText(page.locator('#pen'), 'Pen up at column 15, row 15.');
      const scrolled = await page.evaluate('scrollY');
      await page.keyboard.press('Shift+ArrowUp');
      await page.keyboard.press('Space');
      await page.keyboard.press('Shift+ArrowDown');
      await page.keyboard.press('Shift+ArrowDown');
      await expectText(page.locator('#pen'), 'Pen down at column 15, row 19.');
      expect(await page.evaluate('scrollY')).toBe(scrolled);
      // A line of eight pixels, about as wide as the pen.
      expect(await inked(page)).toBeGreaterThan(15);
      // The board is no trap: Tab leaves it, and lifts the pen.
      await page.keyboard.press('Tab');
      expect(await page.evaluate('document.activeElement.id')).toBe('clear');
      expect(faults).toEqual([]);
    });
  });

  describe.each([...dashboardPages])('the page %s', (name) => {
    const path = `/dashboard/${name}`;

    it('fits a phone of 360 pixels, in the colours that its owner prefers', async () => {
      const grounds: string[] = [];
      for (const colorScheme of ['light', 'dark'] as const) {
        const { page, faults, hosts } = await openPage(path, {
          viewport: { width: 360, height: 740 },
          isMobile: true,
          hasTouch: true,
          colorScheme,
        });
        await page.locator('#status').filter({ hasNotText: /…$/ }).waitFor({ state: 'attached' });
        expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
        grounds.push(await page.evaluate<string>('getComputedStyle(document.body).backgroundColor'));
        expect([...hosts]).toEqual([guarded.edge.url.host]);
        expect(faults).toEqual([]);
        await page.context().close();
      }
      // --ground of the style that all reports share.
      expect(grounds).toEqual(['rgb(255, 255, 255)', 'rgb(20, 24, 29)']);
    });

    it('shows where the keyboard is, and lets it through', async () => {
      const { page } = await openPage(path);
      const seen: string[] = [];
      for (let press = 0; press < 120; press++) {
        await page.keyboard.press('Tab');
        const focus = await page.evaluate<Focus | undefined>(focusOfPage);
        // Beyond the last one the focus leaves the page.
        if (focus === undefined) break;
        expect([focus.name, focus.outline]).toEqual([focus.name, 'solid 3px']);
        seen.push(focus.name);
      }
      expect(seen[0]).toContain('Skip to the content');
      expect(seen.length).toBeGreaterThan(7);
      expect(seen.length).toBeLessThan(120);
    });
  });
});

/** Waits for an element to say something. */
async function expectText(
  locator: ReturnType<Page['locator']>,
  text: string | RegExp,
  timeout = 20_000,
): Promise<void> {
  const said = await locator
    .filter({ hasText: text })
    .first()
    .waitFor({ state: 'attached', timeout })
    .then(() => undefined)
    .catch(async () =>
      locator
        .first()
        .textContent({ timeout: 1_000 })
        .catch(() => 'nothing: it is not there'),
    );
  expect(said === undefined ? text : said).toEqual(text);
}

function hasFocus(locator: ReturnType<Page['locator']>): Promise<boolean> {
  return locator.evaluate((element: { matches(selector: string): boolean }) => element.matches(':focus'));
}

/** Where the keyboard is, and how that is shown. */
interface Focus {
  readonly name: string;
  readonly outline: string;
}

/** Evaluates to a `Focus` in a page, and to nothing where the focus is beyond it. What runs in pages is text: its names are not ours. */
const focusOfPage = `(() => {
  const element = document.activeElement;
  if (element === null || element === document.body) return undefined;
  const { outlineStyle, outlineWidth } = getComputedStyle(element);
  const name = [element.tagName, element.id, element.textContent.trim().slice(0, 20)].join(' ');
  return { name, outline: outlineStyle + ' ' + outlineWidth };
})()`;

/** Pixels of the board that are not black; the pen of the keyboard is one of them where it shows. */
async function inked(page: Page): Promise<number> {
  return page.evaluate<number>(
    `[...document.querySelector('#board').getContext('2d').getImageData(0, 0, 28, 28).data]
      .filter((value, index) => index % 4 === 0 && value > 100).length`,
  );
}
