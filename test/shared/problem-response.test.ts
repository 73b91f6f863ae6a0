import { describe, expect, it } from 'vitest';
import { asGuardError, errorTable, GuardError } from '../../shared/errors.ts';
import { problemResponse, problemSchema } from '../../shared/problem-response.ts';

describe('problem answers', () => {
  it('carry the members of RFC 9457 and the error string of the inference protocol', async () => {
    const places = [{ pointer: '/inputs/0/data', detail: 'element 3 is null' }];
    const response = problemResponse(new GuardError('invalid_input', 'bad element', { places }), {
      requestId: 'r1',
    });
    expect(response.status).toBe(422);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(response.headers.get('x-request-id')).toBe('r1');
    const body = problemSchema.parse(await response.json());
    expect(body).toMatchObject({
      status: 422,
      code: 'invalid_input',
      detail: 'bad element',
      error: 'bad element',
    });
    expect(body.errors).toEqual(places);
  });

  it('say when to come back and how to authenticate', () => {
    const overloaded = problemResponse(new GuardError('overloaded', 'full', { retryAfterSeconds: 2 }));
    expect([overloaded.status, overloaded.headers.get('retry-after')]).toEqual([503, '2']);
    expect(problemResponse(new GuardError('unauthorized', 'no token')).headers.get('www-authenticate')).toBe(
      'Bearer',
    );
  });

  it('withhold the detail of a bug', async () => {
    const response = problemResponse(asGuardError(new TypeError('secret path')));
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain('secret');
  });

  it('have a status of their own kind for every code', () => {
    for (const [code, { status }] of Object.entries(errorTable)) {
      expect(status, code).toBeGreaterThanOrEqual(400);
      expect(status, code).toBeLessThan(600);
    }
  });
});
