// The edge's configuration: complete, or refused by name.
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { parseConfig, parseDetectorConfig } from '../../edge/config.ts';
import { GuardError } from '../../shared/errors.ts';

const complete = {
  GPU_WORKER_URL: 'http://127.0.0.1:8790',
  UPSTREAM_URL: 'https://models.example/base/',
  GUARD_MODELS: '[{"name":"lenet","artefact":"detectors/lenet.json"},{"name":"other","mode":"off"}]',
  GPU_WORKER_TOKEN: 'secret-of-the-gpu-worker',
  NOISE_KEY: '0f'.repeat(32),
  ARTEFACT_PUBLIC_KEY: 'none',
  API_TOKEN: 'secret-of-the-callers',
  DB: {},
  ARTEFACTS: {},
  DETECTOR: {},
  SCREENINGS: {},
  SCREENING: {},
  QUERIES: {},
};

function refusal(changes: Readonly<Record<string, unknown>>): GuardError {
  try {
    parseConfig({ ...complete, ...changes });
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(GuardError);
    return thrown as GuardError;
  }
  throw new Error('it was accepted');
}

describe('a complete configuration', () => {
  it('has shadow as the mode, authentication on, and bounded times', () => {
    const config = parseConfig(complete);
    expect(config.models.get('lenet')).toEqual({
      name: 'lenet',
      mode: 'shadow',
      protocol: 'open-inference',
      artefactKey: 'detectors/lenet.json',
    });
    expect(config.models.get('other')).toMatchObject({ name: 'other', mode: 'off', artefactKey: undefined });
    expect(config.access.apiToken).toBe('secret-of-the-callers');
    expect(config.guardTimeoutMs).toBe(2_000);
    expect(config.upstream).toEqual({
      url: new URL('https://models.example/base/'),
      token: undefined,
      timeoutMs: 30_000,
      fetcher: undefined,
    });
  });

  it('may name the version of a model and a token of the operators', () => {
    const GUARD_MODELS = '[{"name":"a","mode":"off","version":"3"}]';
    const config = parseConfig({ ...complete, GUARD_MODELS, OPERATOR_TOKEN: 'secret-of-the-operators' });
    expect(config.models.get('a')?.version).toBe('3');
    expect(config.access.operatorToken).toBe('secret-of-the-operators');
  });

  it('asks the containers where it has no address of a gpu-worker, which else wins', () => {
    const GPU_CONTAINER = { fetch: () => Promise.resolve(new Response()) };
    for (const GPU_WORKER_URL of [undefined, '']) {
      const { gpuWorker } = parseConfig({ ...complete, GPU_WORKER_URL, GPU_CONTAINER });
      expect(gpuWorker).toMatchObject({ url: new URL('http://gpu-worker/'), fetcher: GPU_CONTAINER });
    }
    const { gpuWorker } = parseConfig({ ...complete, GPU_CONTAINER });
    expect(gpuWorker).toMatchObject({ url: new URL(complete.GPU_WORKER_URL), fetcher: undefined });
  });

  it('needs no gpu-worker where every guarded model names its graph', () => {
    const digest = `sha256:${'a'.repeat(64)}`;
    const graph = { key: 'graphs/lenet.onnx', digest };
    const models = [
      { name: 'lenet', artefact: 'a.json', graph },
      { name: 'other', mode: 'off' },
    ];
    const GUARD_MODELS = JSON.stringify(models);
    const alone = { GPU_WORKER_URL: '', GPU_WORKER_TOKEN: undefined, GUARD_MODELS };
    const config = parseConfig({ ...complete, ...alone });
    expect(config.gpuWorker).toBeUndefined();
    expect(config.models.get('lenet')!.graphs).toEqual([graph]);
    // Both run beside each other, and a sequential test has a graph a stage.
    const staged = JSON.stringify([{ ...models[0], graph: [graph, { ...graph, key: 'graphs/1.onnx' }] }]);
    const both = parseConfig({ ...complete, GUARD_MODELS: staged });
    expect(both.gpuWorker).toMatchObject({ url: new URL(complete.GPU_WORKER_URL) });
    expect(both.models.get('lenet')!.graphs).toHaveLength(2);
    const bare = JSON.stringify([...models, { name: 'third', artefact: 'b.json' }]);
    expect(refusal({ ...alone, GUARD_MODELS: bare }).message).toContain('model third names no graph');
    expect(refusal({ GPU_WORKER_TOKEN: undefined }).message).toContain('GPU_WORKER_TOKEN');
    for (const wrong of [{ key: 'a' }, { key: 'a', digest: 'sha256:b' }, { ...graph, more: 1 }, 'a', []]) {
      const one = JSON.stringify([{ ...models[0], graph: wrong }]);
      expect(refusal({ ...alone, GUARD_MODELS: one }).message).toContain('GUARD_MODELS');
    }
  });

  it('may switch authentication off only by saying so', () => {
    expect(parseConfig({ ...complete, AUTH: 'none', API_TOKEN: undefined }).access).toEqual({
      required: false,
      apiToken: undefined,
      operatorToken: undefined,
      rateLimits: new Map(),
      callerLimits: {},
      rateLimitFailure: 'pass',
      oidc: undefined,
    });
    expect(refusal({ API_TOKEN: undefined }).message).toContain('API_TOKEN');
  });
});

describe('limits of keys', () => {
  const RATE_LIMITS = '{"small":{"limit":3,"period":10}}';
  const RATE_LIMIT_SMALL = { limit: async () => ({ success: true }) };

  it('are bindings with the figures that they do not tell themselves', () => {
    const { access } = parseConfig({ ...complete, RATE_LIMITS, RATE_LIMIT_SMALL });
    const small = { limit: 3, windowSeconds: 10, binding: RATE_LIMIT_SMALL };
    expect([...access.rateLimits]).toEqual([['small', small]]);
  });

  it('are named for callers that have no key, too', () => {
    const CALLER_LIMITS = '{"oidc":"small","anonymous":"small"}';
    const { access } = parseConfig({ ...complete, RATE_LIMITS, RATE_LIMIT_SMALL, CALLER_LIMITS });
    expect(access.callerLimits).toEqual({ oidc: 'small', anonymous: 'small' });
  });

  it.each([
    [{ RATE_LIMITS }, 'RATE_LIMIT_SMALL'],
    [{ CALLER_LIMITS: '{"oidc":"small"}' }, 'CALLER_LIMITS: oidc: RATE_LIMITS has no small'],
    [{ RATE_LIMITS, RATE_LIMIT_SMALL, CALLER_LIMITS: '{"oidc":"large"}' }, 'CALLER_LIMITS: oidc'],
    [{ RATE_LIMITS, RATE_LIMIT_SMALL, CALLER_LIMITS: '{"operator":"small"}' }, 'CALLER_LIMITS'],
    [{ RATE_LIMIT_FAILURE: 'allow' }, 'RATE_LIMIT_FAILURE'],
    [{ RATE_LIMIT_SMALL }, 'RATE_LIMITS: says nothing of RATE_LIMIT_SMALL'],
    [{ RATE_LIMIT_SMALL, RATE_LIMITS: '{"small":{"limit":3,"period":30}}' }, 'RATE_LIMITS.small.period'],
    [{ RATE_LIMIT_SMALL, RATE_LIMITS: '{"tiny":{"limit":3,"period":10}}' }, 'RATE_LIMITS'],
  ])('are not %j', (changes, name) => {
    expect(refusal(changes).message).toContain(name);
  });

  it('say in wrangler.toml twice the same', async () => {
    const text = await readFile(new URL('../../wrangler.toml', import.meta.url), 'utf8');
    const told = JSON.parse(/RATE_LIMITS = '(.*)'/.exec(text)![1]) as Record<string, object>;
    const bound = text.matchAll(
      /name = "RATE_LIMIT_(\w+)"\n.*\nsimple = \{ limit = (\d+), period = (\d+) \}/g,
    );
    const figures = Array.from(bound, ([, tier, limit, period]) => {
      return [tier.toLowerCase(), { limit: Number(limit), period: Number(period) }];
    });
    expect(Object.fromEntries(figures)).toEqual(told);
  });
});

describe('an OpenID provider', () => {
  const provider = {
    OIDC_ISSUER: 'https://id.example/',
    OIDC_AUDIENCE: 'guard',
    OIDC_JWKS_URL: 'https://id.example/jwks',
  };

  it('is believed with what is usual, or as it is said', () => {
    const usual = parseConfig({ ...complete, ...provider }).access.oidc;
    expect(usual).toMatchObject({
      algorithms: ['RS256', 'ES256'],
      clockSkewSeconds: 30,
      scopesClaim: 'scope',
    });
    expect(usual?.scopeMap.get('nccr-guard:admin')).toEqual(['admin']);
    const said = {
      OIDC_ALGORITHMS: 'EdDSA',
      OIDC_SCOPE_MAP: '{"ops":["admin"]}',
      OIDC_CLOCK_SKEW_SECONDS: '0',
    };
    const { oidc } = parseConfig({ ...complete, ...provider, ...said }).access;
    expect(oidc).toMatchObject({ algorithms: ['EdDSA'], clockSkewSeconds: 0 });
    expect([...oidc!.scopeMap]).toEqual([['ops', ['admin']]]);
  });

  it.each([
    [{ OIDC_AUDIENCE: undefined }, 'OIDC_AUDIENCE'],
    [{ OIDC_ISSUER: undefined }, 'OIDC_ISSUER'],
    [{ OIDC_JWKS_URL: undefined }, 'OIDC_JWKS_URL'],
    [{ OIDC_JWKS_URL: 'http://id.example/jwks' }, 'OIDC_JWKS_URL: must be https'],
    [{ OIDC_ALGORITHMS: 'RS256 HS256' }, 'OIDC_ALGORITHMS'],
    [{ OIDC_ALGORITHMS: 'none' }, 'OIDC_ALGORITHMS'],
    [{ OIDC_ALGORITHMS: ' ' }, 'OIDC_ALGORITHMS'],
    [{ OIDC_CLOCK_SKEW_SECONDS: '301' }, 'OIDC_CLOCK_SKEW_SECONDS'],
    [{ OIDC_SCOPE_MAP: '{"ops":["root"]}' }, 'OIDC_SCOPE_MAP'],
    [{ AUTH: 'none' }, 'OIDC_ISSUER: means nothing where AUTH is none'],
  ])('is not believed with %j', (changes, name) => {
    expect(refusal({ ...provider, ...changes }).message).toContain(name);
  });
});

describe('the key of artefacts', () => {
  // The public key of RFC 8032, section 7.1, test 1.
  const key = '11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=';

  it('is 32 bytes in base64, or expressly none, for both Workers', () => {
    expect(parseConfig(complete).artefactPublicKey).toBeUndefined();
    expect(parseConfig({ ...complete, ARTEFACT_PUBLIC_KEY: key }).artefactPublicKey).toBe(key);
    const ARTEFACTS = {};
    expect(parseDetectorConfig({ ARTEFACTS, ARTEFACT_PUBLIC_KEY: key }).artefactPublicKey).toBe(key);
    expect(parseDetectorConfig({ ARTEFACTS, ARTEFACT_PUBLIC_KEY: 'none' }).artefactPublicKey).toBeUndefined();
  });

  it.each([undefined, '', 'None', 'AAAA', `${key}\n`, 'd'.repeat(64)])('is not %j', (ARTEFACT_PUBLIC_KEY) => {
    expect(refusal({ ARTEFACT_PUBLIC_KEY }).message).toContain('ARTEFACT_PUBLIC_KEY: must be');
    const parse = () => parseDetectorConfig({ ARTEFACTS: {}, ARTEFACT_PUBLIC_KEY });
    expect(parse).toThrow(/ARTEFACT_PUBLIC_KEY: must be/);
  });
});

describe('a configuration', () => {
  it.each([
    ['an unknown variable', { GAURD_TIMEOUT_MS: '100' }, 'GAURD_TIMEOUT_MS'],
    ['no address of the gpu-worker', { GPU_WORKER_URL: undefined }, 'GPU_WORKER_URL'],
    ['an empty address of the gpu-worker and no container', { GPU_WORKER_URL: '' }, 'GPU_WORKER_URL'],
    ['an address of another scheme', { UPSTREAM_URL: 'file:///etc/passwd' }, 'UPSTREAM_URL'],
    ['an address with credentials', { UPSTREAM_URL: 'http://me:secret@host/' }, 'UPSTREAM_URL'],
    ['a short noise key', { NOISE_KEY: 'abcd' }, 'NOISE_KEY'],
    ['an authentication that does not exist', { AUTH: 'off' }, 'AUTH'],
    ['a short token', { API_TOKEN: 'short' }, 'API_TOKEN'],
    ['a short token of the operators', { OPERATOR_TOKEN: 'short' }, 'OPERATOR_TOKEN'],
    ['one token for callers and operators', { OPERATOR_TOKEN: complete.API_TOKEN }, 'OPERATOR_TOKEN'],
    [
      'a version that leaves its path',
      { GUARD_MODELS: '[{"name":"a","mode":"off","version":"1/../2"}]' },
      'GUARD_MODELS.0.version',
    ],
    ['a time that is none', { GUARD_TIMEOUT_MS: '2s' }, 'GUARD_TIMEOUT_MS'],
    ['a time of nothing', { UPSTREAM_TIMEOUT_MS: '0' }, 'UPSTREAM_TIMEOUT_MS'],
    ['no database', { DB: undefined }, 'DB'],
    ['models that are not JSON', { GUARD_MODELS: 'lenet' }, 'GUARD_MODELS'],
    ['no model', { GUARD_MODELS: '[]' }, 'GUARD_MODELS'],
    ['a misspelt key of a model', { GUARD_MODELS: '[{"name":"a","mod":"off"}]' }, '"mod"'],
    ['a mode that does not exist', { GUARD_MODELS: '[{"name":"a","mode":"on"}]' }, 'GUARD_MODELS.0.mode'],
    ['a guarded model without a detector', { GUARD_MODELS: '[{"name":"a"}]' }, 'GUARD_MODELS.0.artefact'],
    [
      'a name that leaves its path',
      { GUARD_MODELS: '[{"name":"../a","mode":"off"}]' },
      'GUARD_MODELS.0.name',
    ],
    [
      'a model twice',
      { GUARD_MODELS: '[{"name":"a","mode":"off"},{"name":"a","mode":"off"}]' },
      'a is named twice',
    ],
  ])('with %s is refused by name', (_what, changes, name) => {
    const error = refusal(changes);
    expect(error.code).toBe('invalid_config');
    expect(error.message).toContain(name);
  });

  it('is refused without showing a secret', () => {
    const { message } = refusal({ NOISE_KEY: 'not-hex-but-secret', API_TOKEN: 'tooshort' });
    expect(message).not.toContain('not-hex-but-secret');
    expect(message).not.toContain('tooshort');
  });
});
