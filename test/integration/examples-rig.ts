/**
 * What the examples run against: the real API and worker as processes, the sandbox, and between the examples and the API
 * a gate that counts what comes, and can be told to answer itself or to be shut.
 */
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'vitest';
import { freePort } from '../../dev/stack/ports.ts';
import { createBackend } from './backend.ts';
import { evergrant } from './cli-terminal.ts';

export type ExamplesRig = Awaited<ReturnType<typeof createExamplesRig>>;

export async function createExamplesRig() {
  const backend = await createBackend();
  const environment = { ...backend.environment, PORT: String(await freePort()), EVERGRANT_HOME: '/nonexistent' };
  const gate = await openGate(Number(environment.PORT));
  const [api] = await Promise.all([backend.startApi(environment), backend.startWorker(environment)]);
  let running = api;

  return {
    backend,
    gate,
    /** A company that is connected: its UUID. */
    async connect(): Promise<string> {
      const { key, result } = await backend.connect();
      expect(result).toMatchObject({ settled: true, state: 'active' });
      return key.principal;
    },
    /** `evergrant clients create`; `--app demo` unless another is named. */
    async createClient(...flags: readonly string[]): Promise<{ readonly client_id: string; readonly token: string }> {
      const argv = ['clients', 'create', '--name', 'example', '--app', 'demo', ...flags, '--json'];
      const created = await evergrant(environment, argv);
      expect(created.code, created.err).toBe(0);
      return created.json() as { client_id: string; token: string };
    },
    evergrant: (...argv: readonly string[]) => evergrant(environment, argv),
    /** With no last word. */
    killApi: () => running.kill(),
    async startApi(): Promise<void> {
      running = await backend.startApi(environment);
    },
    async close(): Promise<void> {
      await gate.close();
      await backend.close();
    },
  };
}

interface Canned {
  readonly status: number;
  readonly code: string;
  readonly headers?: Readonly<Record<string, string>>;
}

async function openGate(port: number) {
  const seen: string[] = [];
  const canned: Canned[] = [];
  const server = createServer((incoming, outgoing) => {
    seen.push(`${incoming.method} ${incoming.url}`);
    const instead = canned.shift();
    if (instead !== undefined) {
      const { status, code, headers } = instead;
      outgoing.writeHead(status, { 'content-type': 'application/problem+json', ...headers });
      outgoing.end(JSON.stringify({ type: `urn:evergrant:problem:${code}`, title: code, detail: code, status, code }));
      incoming.resume();
      return;
    }
    const { method = 'GET', url = '/', headers } = incoming;
    const onward = request({ host: '127.0.0.1', port, method, path: url, headers, agent: false }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    // The API is away: so is the gate.
    onward.on('error', () => outgoing.destroy());
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** Requests that came since the last call of this, of those whose line holds the text. */
    take(text = ''): readonly string[] {
      return seen.splice(0).filter((line) => line.includes(text));
    },
    /** The next requests are answered like this, one each. */
    answer: (...next: readonly Canned[]) => void canned.push(...next),
    async close(): Promise<void> {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
