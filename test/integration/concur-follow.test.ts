/** Code 16, "user lives elsewhere": what the client follows, over real HTTP, and what it refuses to follow. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createConcur } from '../../concur/concur.ts';
import { createDataCentres, originsOf } from '../../concur/data-centres.ts';
import { type ClosableHttp, createHttp } from '../../concur/http.ts';
import type { AppCredentials, Clock, Concur, Http, Log } from '../../core/ports.ts';
import { Secret } from '../../core/secret.ts';
import { createSandbox, type Sandbox } from '../../dev/sandbox/sandbox.ts';
import { systemClock } from '../../runtime/clock.ts';

const HORIZON_MS = 180_000;
const silent = () => undefined;
const log: Log = { debug: silent, info: silent, warn: silent, error: silent };

let sandbox: Sandbox;
let wire: ClosableHttp;
let concur: Concur;
let credentials: AppCredentials;
let company: string;
let refreshToken: Secret;
/** What every answer takes by the clock of the client, beside the real time; and before a request is written. */
let answerTakesMs = 0;
let writingTakesMs = 0;
let skippedMs = 0;
let horizons: number[] = [];
let lastCallId: number | undefined;

const clock: Clock = {
  now: systemClock.now,
  monotonic: () => systemClock.monotonic() + skippedMs,
  sleep: (ms, signal) => systemClock.sleep(ms, signal),
};
const http: Http = {
  async send(request, options) {
    horizons.push(options.horizonMs);
    const onSent = () => {
      skippedMs += writingTakesMs;
      options.onSent?.();
    };
    const response = await wire.send(request, { ...options, onSent });
    skippedMs += answerTakesMs;
    return response;
  },
};

beforeAll(async () => {
  sandbox = await createSandbox();
  const dataCentres = createDataCentres(sandbox.baseUris);
  wire = createHttp({ allowedOrigins: originsOf(dataCentres) });
  concur = createConcur({ http, dataCentres, clock, log });
});
afterAll(async () => {
  await wire.close();
  await sandbox.close();
});
beforeEach(async () => {
  const app = sandbox.addApp({ name: 'Demo' });
  credentials = { clientId: app.clientId, clientSecret: new Secret(app.secrets.at(-1)?.value ?? '') };
  company = sandbox.addCompany({ name: 'Acme', domain: 'acme.example', dataCentre: 'us2' }).id;
  const { value } = sandbox.requestToken({ clientId: credentials.clientId, principalId: company });
  const requestToken = new Secret(value);
  const result = await concur.exchangeRequestToken(
    { credentials, principal: company, requestToken },
    { horizonMs: HORIZON_MS },
  );
  if (!result.ok || result.value.refreshToken === null) throw new Error('expected tokens');
  refreshToken = result.value.refreshToken;
  horizons = [];
  lastCallId = sandbox.calls().at(-1)?.id;
});
afterEach(() => {
  sandbox.clearFaults();
  [answerTakesMs, writingTakesMs] = [0, 0];
});

const refresh = () => concur.refreshTokens({ credentials, dataCentre: 'us2', refreshToken }, { horizonMs: HORIZON_MS });
const called = () => sandbox.calls({ after: lastCallId }).map(({ dataCentre }) => dataCentre);
/** Sends whoever comes to `from` on to `to`. */
function sendOn(from: string, to: string): void {
  const geolocation = sandbox.baseUris[to] ?? to;
  sandbox.fault({ kind: 'code', code: 16, geolocation, match: { dataCentre: from }, times: 'always' });
}

describe('a company that lives elsewhere', () => {
  it('is found over several hops, and the data centre of the final answer is the one to keep', async () => {
    sandbox.move({ companyId: company, dataCentre: 'eu2' });
    sendOn('us2', 'apj1');
    sendOn('apj1', 'eu2');
    const result = await refresh();
    expect(called()).toEqual(['us2', 'apj1', 'eu2']);
    expect(result).toMatchObject({ ok: true, dataCentre: { name: 'eu2' }, value: { geolocation: { name: 'eu2' } } });
  });

  it('is kept where its tokens say that it lives, not where the last hop led', async () => {
    sandbox.move({ companyId: company, dataCentre: 'eu2' });
    sandbox.fault({ kind: 'geolocation', value: sandbox.baseUris.apj1 ?? '', match: { dataCentre: 'eu2' } });
    expect(await refresh()).toMatchObject({
      ok: true,
      dataCentre: { name: 'eu2' },
      value: { geolocation: { name: 'apj1' } },
    });
    expect(called()).toEqual(['us2', 'eu2']);
  });

  it('is looked for at three more data centres, and at no further one', async () => {
    sendOn('us2', 'eu2');
    sendOn('eu2', 'apj1');
    sendOn('apj1', 'glz');
    sendOn('glz', 'us');
    expect(await refresh()).toMatchObject({ ok: false, failure: { concurCode: 16 }, dataCentre: { name: 'glz' } });
    expect(called()).toEqual(['us2', 'eu2', 'apj1', 'glz']);
  });

  it.each([
    ['to itself', ['us2'], ['us2']],
    ['in a circle of two', ['eu2', 'us2'], ['us2', 'eu2']],
    ['in a circle of three', ['eu2', 'apj1', 'us2'], ['us2', 'eu2', 'apj1']],
    ['into a circle', ['eu2', 'apj1', 'eu2'], ['us2', 'eu2', 'apj1']],
  ])('is not looked for twice at one place: %s', async (_what, targets, expected) => {
    targets.forEach((target, index) => {
      sendOn(index === 0 ? 'us2' : (targets[index - 1] ?? ''), target);
    });
    expect(await refresh()).toMatchObject({ ok: false, failure: { kind: 'answer', concurCode: 16 } });
    expect(called()).toEqual(expected);
  });

  it.each([
    'https://evil.example',
    'https://us2.api.concursolutions.com.evil.example',
    'https://user@eu2.api.concursolutions.com',
    'http://127.0.0.1:1/eu2',
    '//eu2.api.concursolutions.com',
    'javascript:alert(1)',
  ])('is not looked for at %s, which nobody configured', async (geolocation) => {
    sendOn('us2', geolocation);
    expect(await refresh()).toMatchObject({ ok: false, failure: { concurCode: 16, geolocation: 'foreign' } });
    expect(called()).toEqual(['us2']);
  });

  it('is not looked for when Concur does not say where', async () => {
    sandbox.fault({ kind: 'answer', status: 400, body: '{"code":16,"error":"invalid_request"}' });
    expect(await refresh()).toMatchObject({ ok: false, failure: { concurCode: 16, geolocation: null } });
    expect(called()).toEqual(['us2']);
  });

  it('is found by an exchange as well', async () => {
    sendOn('glz', 'us2');
    const { value } = sandbox.requestToken({ clientId: credentials.clientId, principalId: company });
    const input = { credentials, principal: company, requestToken: new Secret(value) };
    const result = await concur.exchangeRequestToken(input, { horizonMs: HORIZON_MS });
    expect(called()).toEqual(['glz', 'us2']);
    expect(result).toMatchObject({ dataCentre: { name: 'us2' } });
  });
});

describe('the horizon of an attempt', () => {
  it('spans all hops: each has what the ones before have left', async () => {
    sendOn('us2', 'eu2');
    sendOn('eu2', 'apj1');
    answerTakesMs = 50_000;
    await refresh();
    expect(called()).toEqual(['us2', 'eu2', 'apj1']);
    expect(horizons[0]).toBe(180_000);
    expect(horizons[1]).toBeLessThanOrEqual(130_000);
    expect(horizons[1]).toBeGreaterThan(120_000);
    expect(horizons[2]).toBeLessThanOrEqual(80_000);
    expect(horizons[2]).toBeGreaterThan(70_000);
  });

  it('lets no hop begin that Concur may not have answered when it ends', async () => {
    sendOn('us2', 'eu2');
    answerTakesMs = 120_001;
    expect(await refresh()).toMatchObject({ ok: false, failure: { concurCode: 16 } });
    expect(called()).toEqual(['us2']);
  });

  it('that passed before the request could be written keeps it from being written at all', async () => {
    writingTakesMs = 120_001;
    expect(await refresh()).toMatchObject({ ok: false, failure: { kind: 'transport', sent: false } });
    expect(called()).toEqual([]);
    writingTakesMs = 0;
    expect(await refresh()).toMatchObject({ ok: true });
  });

  it('that passed between two hops, as the process was frozen, keeps the second from being written', async () => {
    sendOn('us2', 'eu2');
    writingTakesMs = 70_000;
    expect(await refresh()).toMatchObject({ ok: false, failure: { kind: 'transport', sent: false } });
    expect(called()).toEqual(['us2']);
  });
});
