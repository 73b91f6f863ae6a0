// What the pages ask of the guard, with the operator's token.

/** A refusal of the guard, in its own words. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly status: number;
  readonly code: string;

  constructor({ status, code, detail }: { status: number; code: string; detail: string }) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

/** An answer of the guard. */
export interface Answer<Body> {
  readonly body: Body;
  readonly headers: Headers;
}

/** How a question is asked. */
export interface Question {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** Asks the guard. */
export interface GuardClient {
  /** @throws Refusal */
  ask<Body>(path: string, question?: Question): Promise<Answer<Body>>;
  /** An answer as text. @throws Refusal */
  text(path: string): Promise<string>;
}

/** Makes the client. @param token shown with every question; none where nobody asks for one */
export function guardClient(token: string | undefined): GuardClient {
  const send = async (path: string, { method = 'GET', body, headers = {}, signal }: Question = {}) => {
    const answer = await fetch(path, {
      method,
      // No cookie nor password of the browser is shown: the token says all.
      credentials: 'omit',
      cache: 'no-store',
      redirect: 'error',
      headers: {
        ...headers,
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    });
    if (!answer.ok) throw await readRefusal(answer);
    return answer;
  };
  return {
    async ask<Body>(path: string, question?: Question) {
      const answer = await send(path, question);
      const body = answer.status === 204 ? undefined : await answer.json();
      return { body: body as Body, headers: answer.headers };
    },
    text: async (path) => (await send(path)).text(),
  };
}

async function readRefusal(answer: Response): Promise<Refusal> {
  const { status } = answer;
  const problem = (await answer.json().catch(() => ({}))) as { code?: unknown; detail?: unknown };
  const code = typeof problem.code === 'string' ? problem.code : 'unknown';
  const detail = typeof problem.detail === 'string' ? problem.detail : `the guard answered ${status}`;
  return new Refusal({ status, code, detail });
}
