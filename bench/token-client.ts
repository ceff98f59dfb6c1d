import { setTimeout as pause } from 'node:timers/promises';
import { LOOPBACK, freePort } from '../dev/stack/ports.ts';
import type { Backend } from '../test/integration/backend.ts';
import type { Place } from './place.ts';

const PATIENCE_MS = 120_000;

export interface TokenClient {
  /**
   * Reads a token; the milliseconds until there was one. After a 503 it waits as long as it is asked to, and tries again, two
   * minutes at most. Throws for every other answer but 200.
   */
  read(key: { readonly app: string; readonly principal: string }): Promise<number>;
  close(): Promise<void>;
}

/** The API as a process, and a client of it with a token of its own. */
export async function startTokenClient(place: Place, backend: Backend): Promise<TokenClient> {
  const port = await freePort();
  const env = { PORT: String(port), PUBLIC_URL: `http://localhost:${port}`, NODE_ENV: 'production' };
  const api = await backend.startApi(env);
  const args = ['clients', 'create', '--json', '--name', 'bench', '--scope', 'tokens:read', '--app', 'demo'];
  const { token } = JSON.parse(place.evergrant(backend, args, env)) as { readonly token: string };
  return {
    async read({ app, principal }) {
      const startedAtMs = performance.now();
      const url = `http://${LOOPBACK}:${port}/v1/apps/${app}/connections/${principal}/token`;
      for (;;) {
        const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
        const text = await response.text();
        const tookMs = performance.now() - startedAtMs;
        if (response.status === 200) return tookMs;
        if (response.status !== 503 || tookMs > PATIENCE_MS)
          throw new Error(`a read answered ${response.status}: ${text}`);
        await pause(Number(response.headers.get('retry-after') ?? 1) * 1_000);
      }
    },
    async close() {
      await api.stop();
    },
  };
}
