/** What operators ask for, and what every answer of the API has in common. */
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createPartnerRig, type PartnerRig } from './partner-rig.ts';

let rig: PartnerRig;
beforeAll(async () => {
  rig = await createPartnerRig();
});
afterAll(async () => {
  await rig.close();
});
beforeEach(() => rig.script.reset());

describe('the operators’ routes', () => {
  it('say that the process lives and is ready, also without Temporal', async () => {
    expect((await rig.call('GET', '/healthz')).json).toEqual({ status: 'ok' });
    const ready = { ready: true, database: 'up', migrations: 'applied' };
    expect((await rig.call('GET', '/readyz')).json).toEqual({ ...ready, temporal: 'up' });
    rig.temporal.isAway = true;
    const reply = await rig.call('GET', '/readyz');
    expect([reply.status, reply.json]).toEqual([200, { ...ready, temporal: 'down' }]);
  });

  it.each([
    ['migrations are missing', async () => ['0009_next.sql'], { database: 'up', migrations: 'pending: 0009_next.sql' }],
    ['the database is away', () => Promise.reject(new Error('away')), { database: 'down', migrations: 'unknown' }],
  ])('say that the process lives but is not ready while %s', async (_what, pending, state) => {
    const mend = rig.breakReadiness(pending);
    try {
      const reply = await rig.call('GET', '/readyz');
      expect([reply.status, reply.json]).toEqual([503, { ready: false, temporal: 'up', ...state }]);
      expect(reply.headers.get('retry-after')).toMatch(/^\d+$/);
      expect((await rig.call('GET', '/healthz')).status).toBe(200);
    } finally {
      mend();
    }
  });

  it('count connections by app and state, and requests by pattern, never by company', async () => {
    const { path, connection } = await rig.addConnection({ state: 'suspended' });
    await rig.call('GET', path);
    const { status, headers, text } = await rig.call('GET', '/metrics');
    expect([status, headers.get('content-type')]).toEqual([200, expect.stringMatching(/^text\/plain/)]);
    expect(text).toContain('evergrant_connections{app="demo",state="suspended"} 1');
    expect(text).toContain('route="/v1/apps/:app/connections/:principal",method="GET",status="401"');
    expect(text).not.toContain(connection.principal);
  });

  it('list every described operation on a page without scripts', async () => {
    const { status, headers, text } = await rig.call('GET', '/docs');
    expect([status, headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    const operations = Object.entries(rig.answers.document.paths).flatMap(([path, methods]) =>
      Object.values(methods).map((operation) => ({ path, ...operation })),
    );
    expect(operations.length).toBeGreaterThan(15);
    for (const { path, operationId } of operations) {
      const [, article = ''] = text.split(`id="${operationId}"`);
      const [own = ''] = article.split('</article>');
      expect(own).toContain(`<code>${path}</code>`);
      expect(own, operationId).toMatch(/<pre[^>]*><code>curl -s.* &quot;http\S+&quot;/);
      expect(text).toContain(`href="#${operationId}"`);
    }
    expect(text).not.toMatch(/<script|<style|style=|undefined/);
  });
});

describe('the OpenAPI document', () => {
  async function judge(document: Record<string, unknown>) {
    const validator = new Validator();
    const validate = await validator.validate(structuredClone(document));
    return { version: validator.version, validate };
  }

  it('is the one in docs/openapi.json', async () => {
    const { info, ...rest } = rig.answers.document;
    expect(info).toMatchObject({ title: 'Evergrant', version: expect.stringMatching(/^\d+\.\d+\.\d+/) });
    expect(Object.keys(rest.paths).length).toBeGreaterThan(10);
    const text = `${JSON.stringify(rig.answers.document, null, 2)}\n`;
    // A change on purpose: npx vitest run test/integration/api-ops.test.ts -u
    await expect(text).toMatchFileSnapshot('../../docs/openapi.json');
  });

  it('is valid by a validator that is not ours, which finds what is not', async () => {
    const served = (await rig.call('GET', '/openapi.json')).json;
    const { version, validate } = await judge(served);
    expect([version, validate]).toEqual(['3.1', { valid: true }]);
    const operation = { responses: { default: {} }, parameters: [{ name: 'x', in: 'nowhere' }] };
    const broken = { ...served, paths: { '/x': { get: operation } } };
    expect((await judge(broken)).validate.valid).toBe(false);
  });

  it('has an example of every body, which the operation takes', () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema({ $id: 'https://evergrant.test/described.json', ...rig.answers.document });
    const bodies = Object.entries(rig.answers.document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).flatMap(([method, { requestBody }]) =>
        requestBody === undefined ? [] : [{ path, method, requestBody }],
      ),
    );
    expect(bodies.length).toBeGreaterThan(6);
    for (const { path, method, requestBody } of bodies) {
      const place = ['paths', path, method, 'requestBody', 'content', 'application/json', 'schema'];
      const pointer = place.map((part) => encodeURIComponent(part.replaceAll('/', '~1'))).join('/');
      const validate = ajv.getSchema(`https://evergrant.test/described.json#/${pointer}`);
      expect([path, method, validate?.(requestBody.content['application/json'].example)]).toEqual([path, method, true]);
    }
  });

  it('has a target for each of its references, an id of its own for each operation, and all parameters of each path', () => {
    const { document } = rig.answers;
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, reference]) => reference);
    const { schemas } = document.components as { schemas: object };
    expect(references.length).toBeGreaterThan(10);
    expect(Object.keys(schemas).map((name) => `#/components/schemas/${name}`)).toEqual(
      expect.arrayContaining(references),
    );
    const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.values(methods).map((operation) => ({ path, ...operation })),
    );
    expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length);
    for (const { path, parameters } of operations) {
      const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      expect(parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name)).toEqual(named);
    }
  });
});

describe('every answer', () => {
  it('has a request id: the caller’s if it is a harmless word', async () => {
    const given = await rig.call('GET', '/v1/apps/demo/connections', { headers: { 'x-request-id': 'Trace_1.a-b' } });
    expect(given.headers.get('x-request-id')).toBe('Trace_1.a-b');
    expect(given.json.request_id).toBe('Trace_1.a-b');
    for (const wrong of ['', 'a b', 'x'.repeat(129), '<b>']) {
      const reply = await rig.call('GET', '/healthz', { headers: { 'x-request-id': wrong } });
      expect(reply.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    }
  });

  it.each([
    ['GET', '/nothing', 404, 'not-found'],
    ['GET', '/v1', 404, 'not-found'],
    ['GET', '/v1/apps/demo/connections/', 404, 'not-found'],
    ['GET', '/%E0%A4%A', 404, 'not-found'],
    ['GET', '/v1/apps/%E0%A4%A/connections', 401, 'unauthenticated'],
    ['PUT', '/v1/apps/demo/connections', 405, 'method-not-allowed'],
    ['DELETE', '/healthz', 405, 'method-not-allowed'],
  ])('to %s %s is a problem: %i %s', async (method, path, status, code) => {
    const reply = await rig.call(method, path);
    expect([reply.status, reply.headers.get('content-type')]).toEqual([status, 'application/problem+json']);
    expect(reply.json).toEqual({
      type: `urn:evergrant:problem:${code}`,
      title: expect.any(String),
      status,
      detail: expect.any(String),
      code,
      request_id: reply.headers.get('x-request-id'),
    });
    expect(reply.headers.has('allow')).toBe(status === 405);
  });

  it('comes as JSON or not at all', async () => {
    const headers = { accept: 'application/xml' };
    const reply = await rig.call('GET', '/v1/apps/demo/connections', { headers });
    expect([reply.status, reply.json.code]).toEqual([406, 'not-acceptable']);
    const any = await rig.call('GET', '/v1/apps/demo/connections', { headers: { accept: 'text/html, */*;q=0.1' } });
    expect(any.status).toBe(401);
  });
});
