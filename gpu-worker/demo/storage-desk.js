// A Worker through which the program around workerd reads and writes its D1 and R2. Miniflare's own proxies do that too, but
// they stop Node's event loop while they wait, and with it every server and timeout of the program.

export default {
  /**
   * PUT stores the body as the object that the path names; GET lists the objects of screenings whose keys begin with the path; POST runs `[{ sql, values }]` as one transaction.
   * @param {Request} request
   * @param {Record<string, any>} env
   */
  async fetch(request, env) {
    if (request.headers.get('authorization') !== `Bearer ${env.DESK_TOKEN}`) {
      return new Response(null, { status: 401 });
    }
    if (request.method === 'PUT') {
      const key = decodeURIComponent(new URL(request.url).pathname.slice(1));
      await env.ARTEFACTS.put(key, await request.arrayBuffer());
      return new Response(null, { status: 204 });
    }
    if (request.method === 'GET') {
      const prefix = decodeURIComponent(new URL(request.url).pathname.slice(1));
      const { objects } = await env.SCREENINGS.list({ prefix });
      return Response.json(objects.map(({ key }) => key));
    }
    const statements = await request.json();
    const prepared = statements.map(({ sql, values }) => env.DB.prepare(sql).bind(...values));
    const answers = await env.DB.batch(prepared);
    return Response.json(answers.map(({ results }) => results));
  },
};
