// The dashboard without a browser: what its pages are allowed to do, that they hold nothing, and where their figures come from.
import { describe, expect, it } from 'vitest';
import { dashboardPages } from '../../shared/contracts/dashboard.ts';
import { detectorListSchema } from '../../shared/contracts/detector-summary.ts';
import { apiToken, guardedEdge, modelDigest } from '../helpers/guarded-edge.ts';

const operatorToken = 'a-token-of-the-operators-0123456789';
const guarded = guardedEdge({
  bindings: {
    OPERATOR_TOKEN: operatorToken,
    GUARD_MODELS: JSON.stringify([
      { name: 'enforce', mode: 'enforce', artefact: 'detectors/enforce.json' },
      { name: 'lost', mode: 'shadow', artefact: 'detectors/none.json' },
      { name: 'bare', mode: 'off' },
    ]),
  },
});
const anonymous = { headers: { authorization: '' } };

describe('a page of the dashboard', () => {
  it.each([...dashboardPages])('%s is the same for everybody, and names no model', async (page) => {
    const answer = await guarded.call(`/dashboard/${page}`, anonymous);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8');
    const text = await answer.text();
    expect(text).toBe(
      await (
        await guarded.call(`/dashboard/${page}`, { headers: { authorization: `Bearer ${operatorToken}` } })
      ).text(),
    );
    expect(text).not.toContain('enforce.json');
    expect(text).not.toContain('>lost<');
  });

  it.each([...dashboardPages])('%s runs its own files alone, and is in nobody’s frame', async (page) => {
    const answer = await guarded.call(`/dashboard/${page}`, anonymous);
    const policy = answer.headers.get('content-security-policy') ?? '';
    expect(policy).toMatch(/^default-src 'none'; script-src 'self'; /);
    expect(policy).toContain("connect-src 'self'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).toContain("base-uri 'none'");
    // Of the pages that frame a report, whose style is in it.
    const isFraming = page === 'report' || page === 'robustness';
    expect(policy.includes("style-src 'self' 'unsafe-inline'")).toBe(isFraming);
    expect(policy.includes("require-trusted-types-for 'script'")).toBe(!isFraming);
    expect(answer.headers.get('x-frame-options')).toBe('DENY');
    expect(answer.headers.get('referrer-policy')).toBe('no-referrer');
    expect(answer.headers.get('set-cookie')).toBeNull();
    const text = await answer.text();
    // Neither code nor style in the page, and nothing of another host.
    expect(text.match(/<script(?![^>]* src="\/dashboard\/assets\/)/)).toBeNull();
    expect(text.match(/\son\w+=|\sstyle=|https?:\/\//)).toBeNull();
  });

  it('comes with a script of its name and the one style sheet, which may be kept while they are the same', async () => {
    for (const file of ['style.css', ...dashboardPages.map((page) => `${page}.js`)]) {
      const answer = await guarded.call(`/dashboard/assets/${file}`, anonymous);
      expect([file, answer.status]).toEqual([file, 200]);
      const type = file === 'style.css' ? 'text/css' : 'text/javascript';
      expect(answer.headers.get('content-type')).toBe(`${type}; charset=utf-8`);
      expect((await answer.text()).length).toBeGreaterThan(500);
      const headers = { 'if-none-match': answer.headers.get('etag') ?? '' };
      expect((await guarded.call(`/dashboard/assets/${file}`, { headers })).status).toBe(304);
    }
  });

  it.each([
    '/dashboard/none',
    '/dashboard/assets/none.js',
    '/dashboard/assets/toString',
    '/dashboard/constructor',
  ])('is answered 404 where there is none: %s', async (path) => {
    const answer = await guarded.call(path, anonymous);
    expect(answer.status).toBe(404);
    expect(await answer.json()).toMatchObject({ code: 'not_found' });
  });
});

describe('the list of detectors', () => {
  it('is for operators', async () => {
    expect((await guarded.call('/v1/detectors', anonymous)).status).toBe(401);
    const asCaller = await guarded.call('/v1/detectors', {
      headers: { authorization: `Bearer ${apiToken}` },
    });
    expect([asCaller.status, await asCaller.json()]).toMatchObject([403, { code: 'insufficient_scope' }]);
  });

  it('says of each model what guards it, and why nothing does', async () => {
    const answer = await guarded.call('/v1/detectors', {
      headers: { authorization: `Bearer ${operatorToken}` },
    });
    expect(answer.status).toBe(200);
    const { models } = detectorListSchema.parse(await answer.json());
    expect(models.map(({ model, mode, failure }) => [model, mode, failure])).toEqual([
      ['enforce', 'enforce', null],
      ['lost', 'shadow', 'detector_unavailable'],
      ['bare', 'off', null],
    ]);
    const [{ detector }] = models;
    // As the fixture's artefact has them.
    expect(detector).toMatchObject({
      name: 'nccr',
      key: 'detectors/enforce.json',
      model_digest: modelDigest,
      input_shape: [1, 2, 3],
      threshold: {
        value: 0,
        target_fpr: 0.01,
        fpr_ci95: [0.004, 0.02],
        calibration_samples: 1000,
        clean_quantiles: null,
      },
      card: null,
    });
    expect(models.slice(1).map((model) => model.detector)).toEqual([null, null]);
  });
});
