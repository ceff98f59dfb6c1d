/**
 * Temporal Cloud by environment alone: a real server behind a front that lets in by client certificate or by API key, as
 * Temporal Cloud does, and every program of the product on its way through it. Who is not let in is told why.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../dev/stack/ports.ts';
import { waitFor } from '../e2e/wait-for.ts';
import { createAuthority } from '../rig/certificates.ts';
import { compiledProgram } from '../rig/compiled-product.ts';
import { startTemporalFront, type TemporalFront } from '../rig/temporal-front.ts';
import { type Backend, createBackend } from './backend.ts';
import { evergrant } from './cli-terminal.ts';

type Variables = Readonly<Record<string, string>>;

const KEY = 'cloud-api-key-for-tests';
const authority = createAuthority('Test authority');
const stranger = createAuthority('Unknown authority');
let folder: string;
let backend: Backend;
let byCertificate: TemporalFront;
let byKey: TemporalFront;
let worker: string;

const file = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
};
/** A client certificate of this authority, by its files. */
function certificate(name: string, by = authority): Variables {
  const client = by.certify(name);
  return {
    TEMPORAL_TLS_CLIENT_CERT_PATH: file(`${name}.pem`, client.certificate),
    TEMPORAL_TLS_CLIENT_KEY_PATH: file(`${name}.key`, client.key),
  };
}
const trusting = (): Variables => ({ TEMPORAL_TLS_SERVER_CA_CERT_PATH: file('ca.pem', authority.certificate) });
const environment = (variables: Variables): Variables => ({
  ...backend.environment,
  EVERGRANT_HOME: '/nonexistent',
  ...variables,
});

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'evergrant-cloud-'));
  // One build, whatever becomes of the sources meanwhile.
  worker = await compiledProgram('worker');
  backend = await createBackend({}, { built: { place: dirname(dirname(dirname(worker))) } });
  const { TEMPORAL_ADDRESS: target, TEMPORAL_NAMESPACE: namespace } = backend.environment;
  const identity = authority.certify('localhost');
  byCertificate = await startTemporalFront({ target, identity, clientAuthority: authority.certificate });
  byKey = await startTemporalFront({ target, identity, apiKey: { key: KEY, namespace } });
}, 180_000);
afterAll(async () => {
  await backend.close();
  await Promise.all([byCertificate.close(), byKey.close()]);
  rmSync(folder, { recursive: true });
});

describe('Temporal behind TLS', () => {
  it.each<[string, () => { readonly front: TemporalFront; readonly variables: Variables }]>([
    [
      'a client certificate',
      () => ({
        front: byCertificate,
        variables: { TEMPORAL_ADDRESS: byCertificate.address, ...trusting(), ...certificate('client') },
      }),
    ],
    [
      'an API key in a profile',
      () => ({
        front: byKey,
        variables: {
          TEMPORAL_ADDRESS: '',
          TEMPORAL_NAMESPACE: '',
          TEMPORAL_PROFILE: 'cloud',
          TEMPORAL_CONFIG_FILE: file(
            'temporal.toml',
            [
              '[profile.cloud]',
              `address = "${byKey.address}"`,
              `namespace = "${backend.environment.TEMPORAL_NAMESPACE}"`,
              `api_key = "${KEY}"`,
              '[profile.cloud.tls]',
              `server_ca_cert_path = "${file('ca.pem', authority.certificate)}"`,
            ].join('\n'),
          ),
        },
      }),
    ],
  ])(
    'is used by worker, API and command line with %s',
    async (_what, prepare) => {
      const { front, variables } = prepare();
      const port = await freePort();
      const own = { PORT: String(port), PUBLIC_URL: `http://localhost:${port}` };
      const [started, api] = await Promise.all([
        backend.startWorker(variables),
        backend.startApi({ ...variables, ...own }),
      ]);
      try {
        const { key, result } = await backend.connect();
        expect(result).toMatchObject({ settled: true, state: 'active' });
        const client = [
          'clients',
          'create',
          '--json',
          '--name',
          'n',
          '--app',
          key.app,
          '--scope',
          'connections:refresh',
        ];
        const { token } = (await evergrant(environment({ ...variables, ...own }), client)).json();
        const refreshed = await fetch(
          `http://127.0.0.1:${port}/v1/apps/${key.app}/connections/${key.principal}/refresh`,
          {
            method: 'POST',
            headers: { authorization: `Bearer ${String(token)}` },
          },
        );
        expect(await refreshed.json()).toMatchObject({ state: 'active', version: 2 });

        const before = front.passed();
        const again = await evergrant(environment(variables), ['connections', 'refresh', key.app, key.principal]);
        expect(again).toMatchObject({ code: 0, err: '' });
        expect((await backend.connection(key)).version).toBe(3);
        expect(front.passed()).toBeGreaterThan(before);

        const { items } = (await evergrant(environment(variables), ['doctor', '--json'])).json();
        expect(items).toEqual(
          expect.arrayContaining([
            expect.objectContaining({ check: 'temporal', status: 'ok' }),
            // Where they are managed by other means, and whether they are there, is not for us to see.
            expect.objectContaining({ check: 'search attributes', status: 'warn' }),
            expect.objectContaining({ check: 'workers', status: 'ok' }),
          ]),
        );
      } finally {
        await Promise.all([started.stop(), api.stop()]);
      }
    },
    90_000,
  );
});

describe('who is not let in by Temporal', () => {
  const cases: readonly (readonly [string, () => Variables, RegExp, string])[] = [
    [
      'a wrong API key',
      () => ({ TEMPORAL_ADDRESS: byKey.address, ...trusting(), TEMPORAL_API_KEY_FILE: file('key', 'wrong') }),
      /the server at localhost:\d+ does not take the API key/,
      'TEMPORAL_API_KEY',
    ],
    [
      'an API key for another namespace',
      () => ({
        ...{ TEMPORAL_ADDRESS: byKey.address, TEMPORAL_NAMESPACE: 'foreign' },
        ...{ TEMPORAL_API_KEY: KEY, ...trusting() },
      }),
      /lets this API key do nothing in namespace foreign/,
      'TEMPORAL_NAMESPACE',
    ],
    [
      'a namespace that is not there',
      () => ({ TEMPORAL_NAMESPACE: 'nowhere' }),
      /has no namespace nowhere/,
      'temporal operator namespace create --namespace nowhere',
    ],
    ['no API key', () => ({ TEMPORAL_ADDRESS: byKey.address, ...trusting() }), /asks who calls/, 'TEMPORAL_API_KEY'],
    [
      'a certificate of an authority that nobody registered',
      () => ({ TEMPORAL_ADDRESS: byCertificate.address, ...trusting(), ...certificate('other', stranger) }),
      /hangs up on our client certificate/,
      'TEMPORAL_TLS_CLIENT_CERT_PATH',
    ],
    [
      'no certificate',
      () => ({ TEMPORAL_ADDRESS: byCertificate.address, ...trusting() }),
      /without a client certificate/,
      'TEMPORAL_TLS_CLIENT_CERT_PATH',
    ],
    [
      'no trust in the server',
      () => ({ TEMPORAL_ADDRESS: byKey.address, TEMPORAL_API_KEY: KEY }),
      /from nobody who is trusted here/,
      'TEMPORAL_TLS_SERVER_CA_CERT_PATH',
    ],
    ['no TLS', () => ({ TEMPORAL_ADDRESS: byKey.address }), /hangs up on a caller without TLS/, 'TEMPORAL_TLS'],
    ['TLS where none is', () => ({ TEMPORAL_TLS: 'true' }), /does not speak TLS/, 'TEMPORAL_TLS'],
    [
      'nobody at the address',
      () => ({ TEMPORAL_ADDRESS: '127.0.0.1:1' }),
      /no server answers at 127\.0\.0\.1:1 \(ECONNREFUSED\)/,
      'TEMPORAL_ADDRESS',
    ],
  ];

  it.each(cases)('is told by the doctor what to do about %s', async (_what, variables, found, todo) => {
    const { items } = (await evergrant(environment(variables()), ['doctor', '--json'])).json();
    const about = (items as { check: string }[]).filter(({ check }) => check === 'temporal');
    expect(about).toEqual([
      { check: 'temporal', status: 'fail', found: expect.stringMatching(found), todo: expect.stringContaining(todo) },
    ]);
    expect(JSON.stringify(items)).not.toContain(KEY);
  });

  it.each(cases.filter(([what]) => /^(a wrong|an API key|a certificate|nobody)/.test(what)))(
    'ends as a worker with %s, with what to do and no stack',
    async (what, variables, found, todo) => {
      const env = { PATH: process.env.PATH ?? '', ...environment(variables()) };
      const { code, err } = await new Promise<{ code: number | null; err: string }>((resolve) => {
        const child = execFile(process.execPath, [worker], { env, timeout: 30_000 }, (_error, _out, text) =>
          resolve({ code: child.exitCode, err: text }),
        );
      });
      expect(err).toMatch(found);
      expect(err).toContain(todo);
      expect(err).not.toMatch(/^\s+at /m);
      // A wrong configuration, or something to try again.
      expect(code).toBe(what.startsWith('nobody') ? 75 : 78);
    },
  );

  it('as an API serves what needs no Temporal, and says in its log why', async () => {
    const port = await freePort();
    const api = await backend.startApi({
      ...{ TEMPORAL_ADDRESS: byKey.address, ...trusting(), TEMPORAL_API_KEY: 'wrong' },
      ...{ PORT: String(port), PUBLIC_URL: `http://localhost:${port}` },
    });
    const ready = await fetch(`http://127.0.0.1:${port}/readyz`);
    expect({ status: ready.status, ...((await ready.json()) as object) }).toMatchObject({
      status: 200,
      temporal: 'down',
    });
    await waitFor('the reason in the log', 10_000, () =>
      /does not take the API key/.test(api.output()) ? true : null,
    );
    expect(await api.stop()).toBe(0);
  });
});
