/**
 * Traces as a receiver gets them, of real processes: a connect and a read that refreshes, each one trace from the caller
 * to SAP Concur; and no trace of any where none is configured.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ConnectionKey } from '../../core/connection.ts';
import { freePort } from '../../dev/stack/ports.ts';
import { allHistories, findSecrets, secretForms } from '../e2e/secret-scan.ts';
import { waitFor } from '../e2e/wait-for.ts';
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from '../rig/otlp-receiver.ts';
import { type Backend, createBackend } from './backend.ts';
import { evergrant } from './cli-terminal.ts';

const HOUR_MS = 3_600_000;
/** Of a caller that records its own trace. */
const callers = { connect: 'c0ffee00c0ffee00c0ffee00c0ffee01', read: 'c0ffee00c0ffee00c0ffee00c0ffee02' };
const CALLERS_SPAN = 'abcdefabcdef0001';
const COLLECTORS_KEY = 'collector-key-5f1c6a0e9b';
/** Printed by each process at its end. The API alone, which does nothing, is brought by prom-client. */
const LOADED = 'modules of OpenTelemetry:';
const probe = `import module from "node:module"; process.on("exit", () => {
  const paths = Object.keys(module._cache).filter((path) => path.includes("opentelemetry"));
  console.error("${LOADED}", paths.filter((path) => !path.includes("/@opentelemetry/api/")).length);
});`;

let backend: Backend;
let receiver: OtlpReceiver;
let port: number;
let token: string;
/** What was printed by processes that were told of no receiver, and by those that were. */
const outputs: { silent: string[]; traced: string[] } = { silent: [], traced: [] };
/** Requests at the receiver before anybody was told of it. */
let beforehand: number;
let key: ConnectionKey;
let requestToken: string;
let accessToken: string;
let spans: readonly ReceivedSpan[];

beforeAll(async () => {
  [backend, receiver, port] = await Promise.all([
    createBackend(
      { settings: { accessTokenTtlMs: 15_000 } },
      { nodeArgs: ['--import', `data:text/javascript,${encodeURIComponent(probe)}`] },
    ),
    startOtlpReceiver(),
    freePort(),
  ]);
  const cli = { ...backend.environment, EVERGRANT_HOME: '/nonexistent', PORT: String(port) };
  const scopes = ['tokens:read', 'connections:connect'].flatMap((scope) => ['--scope', scope]);
  const argv = ['clients', 'create', '--json', '--name', 'n', ...scopes, '--app', 'demo'];
  token = String((await evergrant(cli, argv)).json().token);

  const silent = await startBoth({});
  await read((await backend.connect()).key, callers.read);
  outputs.silent.push(...(await stopBoth(silent)));
  beforehand = receiver.requests.length;

  const traced = await startBoth({
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    OTEL_EXPORTER_OTLP_HEADERS: `x-collector-key=${COLLECTORS_KEY}`,
    // Whatever arrives was sent by the end of the process.
    OTEL_BSP_SCHEDULE_DELAY: '600000',
  });
  key = await connectThroughApi();
  await makeStale(key);
  accessToken = await read(key, callers.read);
  const refreshes = () => backend.sandbox.calls({ endpoint: 'token', principalId: key.principal }).length;
  await waitFor('a refresh that is due', 25_000, () => (refreshes() >= 3 ? true : null));
  expect((await fetch(`${url()}/healthz?secret=1`)).status).toBe(200);
  outputs.traced.push(...(await stopBoth(traced)));
  spans = receiver.spans();
}, 180_000);

afterAll(async () => {
  await backend.close();
  await receiver.close();
});

const url = (): string => `http://127.0.0.1:${port}`;

async function startBoth(env: Readonly<Record<string, string>>) {
  return await Promise.all([backend.startApi({ ...env, PORT: String(port) }), backend.startWorker(env)]);
}

/** What they have printed. */
async function stopBoth(processes: Awaited<ReturnType<typeof startBoth>>): Promise<string[]> {
  return await Promise.all(
    processes.map(async (running) => {
      expect(await running.stop(), running.output()).toBe(0);
      return running.output();
    }),
  );
}

function headersOf(trace: string): Record<string, string> {
  return {
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
    traceparent: `00-${trace}-${CALLERS_SPAN}-01`,
    tracestate: 'vendor=told-by-the-caller',
    baggage: 'user=told-by-the-caller',
  };
}

async function connectThroughApi(): Promise<ConnectionKey> {
  const company = backend.sandbox.addCompany({ name: 'Zephyrine', domain: 'zephyrine.example', dataCentre: 'us2' });
  backend.sandbox.addUser({ companyId: company.id, webServicesAdmin: true });
  const { clientId } = backend.concurApp;
  ({ requestToken } = backend.sandbox.pressConnect({ clientId, principalId: company.id }));
  const response = await fetch(`${url()}/v1/apps/demo/connections`, {
    method: 'POST',
    headers: headersOf(callers.connect),
    body: JSON.stringify({ principal_id: company.id, request_token: requestToken }),
  });
  expect([response.status, await response.text()]).toEqual([201, expect.stringContaining(company.id)]);
  return { app: 'demo', principal: company.id };
}

async function makeStale(of: ConnectionKey): Promise<void> {
  const over = { accessTokenSentAtMs: Date.now() - HOUR_MS, accessTokenExpiresAtMs: Date.now() + 30_000 };
  await backend.connections.transact(of, ({ connection }) => {
    if (connection === null) throw new Error('there is no such connection');
    return { result: null, changes: { connection: { ...connection, ...over } } };
  });
}

async function read({ principal }: ConnectionKey, trace: string): Promise<string> {
  const response = await fetch(`${url()}/v1/apps/demo/connections/${principal}/token`, { headers: headersOf(trace) });
  expect(response.status).toBe(200);
  return ((await response.json()) as { access_token: string }).access_token;
}

/** From the span of that name up to the one that begins the trace, or whose parent is not ours. */
function pathTo(name: string, traceId: string): readonly string[] {
  const inTrace = spans.filter((span) => span.traceId === traceId);
  const path: string[] = [];
  let span = inTrace.find((one) => one.name === name);
  while (span !== undefined) {
    path.unshift(`${span.service} ${span.name}`);
    const { parentSpanId } = span;
    span = inTrace.find(({ spanId }) => spanId === parentSpanId);
    if (span === undefined) path.unshift(parentSpanId);
  }
  return path;
}

describe('with a receiver configured', () => {
  it('a read that refreshes is one trace, from its caller over API, workflow and activity to SAP Concur', () => {
    expect(pathTo('Concur token', callers.read)).toEqual([
      CALLERS_SPAN,
      'evergrant-api GET /v1/apps/:app/connections/:principal/token',
      'evergrant-api UpdateWithStartWorkflow:ensureFresh',
      'evergrant-worker HandleUpdate:ensureFresh',
      'evergrant-worker RunActivity:refreshTokens',
      'evergrant-worker Concur token',
    ]);
  });

  it('a connect is one, too', () => {
    expect(pathTo('Concur token', callers.connect)).toEqual([
      CALLERS_SPAN,
      'evergrant-api POST /v1/apps/:app/connections',
      'evergrant-api UpdateWithStartWorkflow:connect',
      'evergrant-worker HandleUpdate:connect',
      'evergrant-worker RunActivity:exchangeRequestToken',
      'evergrant-worker Concur token',
    ]);
  });

  it('a refresh that a timer brought about begins a trace of its own, linked to what was asked last', () => {
    const asked = spans.find(({ name }) => name === 'HandleUpdate:ensureFresh');
    const ofRun = spans.filter(({ attributes }) => attributes.run_id === asked?.attributes.run_id);
    const due = ofRun.filter(({ attributes }) => attributes['evergrant.cause'] === 'due');
    expect(due.length).toBeGreaterThan(0);
    for (const span of due) {
      expect(span).toMatchObject({ name: 'RunActivity:refreshTokens', parentSpanId: '' });
      expect(Object.values(callers)).not.toContain(span.traceId);
      expect(span.links).toEqual([{ traceId: callers.read, spanId: asked?.spanId }]);
    }
  });

  it('spans say what happened, in the words of the metrics, and take no longer than it did', () => {
    expect(spans.find(({ name }) => name.startsWith('GET '))).toMatchObject({
      kind: 2,
      attributes: {
        'http.request.method': 'GET',
        'http.route': '/v1/apps/:app/connections/:principal/token',
        'http.response.status_code': 200,
        'evergrant.app': 'demo',
      },
    });
    expect(spans.find(({ name, traceId }) => name === 'Concur token' && traceId === callers.read)).toMatchObject({
      kind: 3,
      isError: false,
      attributes: { 'evergrant.data_center': 'us2', 'evergrant.endpoint': 'token', 'evergrant.code': '200' },
    });
    expect(
      spans.find(({ name, traceId }) => name === 'RunActivity:refreshTokens' && traceId === callers.read),
    ).toMatchObject({
      attributes: { 'evergrant.app': 'demo', 'evergrant.cause': 'fresh', 'evergrant.state': 'active' },
    });
    for (const { startNs, endNs } of spans) expect(Number(endNs - startNs) / 1e9).toBeLessThan(20);
    expect(spans.filter(({ name }) => name.includes('health'))).toEqual([]);
  });

  it('nothing that leaves holds a token, a secret, or whose connection it is', async () => {
    const { environment, sandbox } = backend;
    const secrets = [
      ...sandbox.issuedSecrets().map(({ value }) => value),
      ...[token, requestToken, accessToken, COLLECTORS_KEY, environment.EVERGRANT_KEKS],
      ...[key.principal, 'Zephyrine', 'zephyrine.example', 'told-by-the-caller', 'secret=1'],
    ];
    const forms = secretForms(secrets);
    const bytes = receiver.requests.map(({ body }) => body.toString('latin1'));
    expect(bytes.join('')).toContain('evergrant.app');
    expect(forms.length).toBeGreaterThan(40);
    expect(findSecrets(bytes, [...forms, 'Zephyrine', 'secret=1'])).toEqual([]);
    expect(spans.map(({ events }) => events)).not.toContain(1);
    for (const { headers, path } of receiver.requests) {
      expect([path, headers['x-collector-key']]).toEqual(['/v1/traces', COLLECTORS_KEY]);
    }
    // What travels in the headers of workflows and activities is the traceparent alone.
    const histories = await allHistories(environment.TEMPORAL_ADDRESS, environment.TEMPORAL_NAMESPACE);
    expect(histories.join('\n')).toContain(callers.read);
    expect(findSecrets(histories, ['told-by-the-caller', token, accessToken, COLLECTORS_KEY])).toEqual([]);
    // And SAP Concur hears nothing of it.
    expect(JSON.stringify(sandbox.calls({}))).not.toContain('traceparent');
  });

  it('lines of the log say which trace they belong to', () => {
    const lines = outputs.traced.join('\n').split('\n');
    const refreshed = lines.filter((line) => line.includes('"refreshed"') && line.includes(key.principal));
    expect(refreshed.some((line) => line.includes(`"trace_id":"${callers.read}"`))).toBe(true);
    expect(outputs.silent.join('\n')).not.toContain('trace_id');
  });
});

describe('without', () => {
  it('nothing is sent, and no module of OpenTelemetry is loaded', () => {
    expect(beforehand).toBe(0);
    expect(outputs.silent.map((output) => loadedIn(output))).toEqual([0, 0]);
    expect(Math.min(...outputs.traced.map((output) => loadedIn(output)))).toBeGreaterThan(20);
  });
});

describe('with a receiver that is not there', () => {
  it('everything works, the log says so once, and the end is in time', async () => {
    const nobody = await freePort();
    const api = await backend.startApi({
      PORT: String(port),
      OTEL_TRACES_EXPORTER: 'otlp',
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${nobody}`,
      OTEL_EXPORTER_OTLP_TIMEOUT: '300',
      OTEL_BSP_SCHEDULE_DELAY: '50',
    });
    const complaints = () => api.output().match(/traces are not taken/g)?.length ?? 0;
    const ask = async () => (await fetch(`${url()}/v1/apps/demo/connections`)).status;
    expect(await ask()).toBe(401);
    await waitFor('a complaint', 30_000, () => (complaints() > 0 ? true : null));
    for (let round = 0; round < 5; round += 1) expect(await ask()).toBe(401);
    // Which is the exit code of an end that everybody came to in time.
    expect(await api.stop(), api.output()).toBe(0);
    expect(complaints()).toBe(1);
    expect(api.output()).not.toContain(`127.0.0.1:${nobody}/`);
  }, 90_000);
});

function loadedIn(output: string): number {
  return Number(new RegExp(`${LOADED} (\\d+)`).exec(output)?.[1] ?? Number.NaN);
}
