import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStage } from './sandbox-client.ts';
import type { Stage } from './sandbox-client.ts';

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const form = 'application/x-www-form-urlencoded';
let stage: Stage;
let tokenUrl: string;
let body: string;

beforeEach(async () => {
  stage = await openStage();
  tokenUrl = `${stage.sandbox.baseUris['us2']}/oauth2/v0/token`;
  const { app, secret } = stage;
  body = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: app.clientId,
    client_secret: secret,
  }).toString();
});
afterEach(() => stage.close());

describe('the token endpoint', () => {
  it('takes exactly the form content type', async () => {
    const ask = (contentType: string) =>
      stage.send(tokenUrl, { method: 'POST', headers: { 'content-type': contentType }, body });
    expect((await ask(form)).status).toBe(200);
    for (const wrong of [`${form}; charset=utf-8`, `${form};charset=UTF-8`, 'application/json', 'text/plain']) {
      const answer = await ask(wrong);
      expect(answer.status).toBe(400);
      expect(answer.json).toMatchObject({ code: 135, error: 'invalid_request' });
    }
  });

  it('refuses what fetch sends by itself for a URLSearchParams body', async () => {
    const response = await fetch(tokenUrl, { method: 'POST', body: new URLSearchParams(body) });
    expect(await response.json()).toMatchObject({ code: 135 });
  });

  it('refuses a chunked body', async () => {
    const answer = await stage.send(tokenUrl, {
      method: 'POST',
      headers: { 'content-type': form },
      body: Readable.from([body]),
    });
    expect(answer.status).toBe(411);
    expect(answer.json).toMatchObject({ code: 107 });
  });

  it('refuses keys, secrets and tokens in the URL', async () => {
    for (const name of ['client_id', 'client_secret', 'refresh_token', 'password', 'requestToken', 'access_token']) {
      const answer = await stage.send(`${tokenUrl}?${name}=x`, {
        method: 'POST',
        headers: { 'content-type': form },
        body,
      });
      expect(answer.json).toMatchObject({ code: 107 });
    }
    const harmless = await stage.send(`${tokenUrl}?trace=1`, {
      method: 'POST',
      headers: { 'content-type': form },
      body,
    });
    expect(harmless.status).toBe(200);
  });

  it('refuses a field that is given twice', async () => {
    const answer = await stage.send(tokenUrl, {
      method: 'POST',
      headers: { 'content-type': form },
      body: `${body}&grant_type=client_credentials`,
    });
    expect(answer.json).toMatchObject({ code: 107 });
  });

  it('answers other methods with 405 and other paths with 404', async () => {
    expect((await stage.send(tokenUrl)).status).toBe(405);
    expect((await stage.send(`${stage.sandbox.url}/us9/oauth2/v0/token`)).status).toBe(404);
  });

  it('writes expires_in and error codes as a string or a number, as it is set', async () => {
    stage.sandbox.set({ expiresInAs: 'number', codeAs: 'string', accessTokenTtlMs: 15_000 });
    expect((await stage.token({ grant_type: 'client_credentials' })).json['expires_in']).toBe(15);
    expect((await stage.token({})).json['code']).toBe('65');
  });
});

describe('concur-correlationid', () => {
  it('is on every answer, whatever it is', async () => {
    const { sandbox } = stage;
    const answers = await Promise.all([
      stage.exchange(),
      stage.token({}),
      stage.send(`${sandbox.baseUris['eu2']}/oauth2/v0/jwks`),
      stage.profile('unknown'),
      stage.revoke('unknown'),
      stage.send(`${sandbox.url}/`),
      stage.send(`${sandbox.url}/nowhere`),
      stage.send(`${sandbox.url}/companies/unknown`),
      stage.send(tokenUrl),
      stage.command('companies', { name: 7 }),
      stage.send(`${sandbox.url}/__sandbox/companies`, { method: 'POST', body: 'x'.repeat(70_000) }),
    ]);
    const ids = answers.map((answer) => String(answer.headers['concur-correlationid']));
    for (const id of ids) expect(id).toMatch(uuid);
    expect(new Set(ids).size).toBe(answers.length);
  });

  it("is the caller's own when it sent one, and stands in the log of calls", async () => {
    const id = crypto.randomUUID();
    const answer = await stage.send(`${stage.sandbox.baseUris['us2']}/profile/v1/me`, {
      headers: { 'concur-correlationid': id },
    });
    expect(answer.headers['concur-correlationid']).toBe(id);
    expect(stage.sandbox.calls({ endpoint: 'profile' })).toMatchObject([{ correlationId: id, status: 401 }]);
  });
});

it('publishes the same keys at every data centre, and the old one beside a new one', async () => {
  const jwks = async (dataCentre: string) =>
    (await stage.send(`${stage.sandbox.baseUris[dataCentre]}/oauth2/v0/jwks`)).json['keys'] as readonly object[];
  const keys = await jwks('us2');
  expect(keys).toHaveLength(1);
  expect(keys[0]).toMatchObject({ kty: 'RSA', alg: 'RS256', use: 'sig' });
  expect(keys[0]).not.toHaveProperty('d');
  expect(await jwks('glz')).toEqual(keys);
  await stage.sandbox.rotateSigningKey();
  expect(await jwks('us2')).toHaveLength(2);
});

it('takes no notice of a caller that hangs up in the middle of its request', async () => {
  const failures: unknown[] = [];
  const watched = await openStage({ log: (error) => failures.push(error) });
  const caller = connect(Number(new URL(watched.sandbox.url).port), '127.0.0.1');
  await new Promise((resolve) => caller.once('connect', resolve));
  const head = `POST /us2/oauth2/v0/token HTTP/1.1\r\nhost: x\r\ncontent-type: ${form}\r\ncontent-length: 500\r\n\r\ngrant`;
  await new Promise<void>((resolve) => caller.write(head, () => resolve()));
  expect((await watched.exchange()).status).toBe(200);
  caller.destroy();
  expect((await watched.exchange()).status).toBe(200);
  await watched.close();
  expect(failures).toEqual([]);
});

it('ends within a moment although a caller is still waiting', async () => {
  const fault = stage.sandbox.fault({ kind: 'never-answer' });
  const waiting = stage.token({ grant_type: 'client_credentials' }).catch((error: Error) => error);
  await fault.waitForHits();
  const idle = connect(Number(new URL(stage.sandbox.url).port), '127.0.0.1');
  idle.on('error', () => undefined);
  await new Promise((resolve) => idle.once('connect', resolve));
  await stage.sandbox.close();
  expect(await waiting).toBeInstanceOf(Error);
  idle.destroy();
});
