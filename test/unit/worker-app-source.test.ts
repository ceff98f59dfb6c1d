import { describe, expect, it } from 'vitest';
import type { AppSecretFacts, AppStore, SealedAppSecret } from '../../core/stores.ts';
import { createAppSource, inOrderToTry } from '../../worker/app-source.ts';
import { buildApp } from '../simulation/builders.ts';
import { createFakeVault } from '../simulation/fake-vault.ts';
import { createVirtualClock } from '../simulation/virtual-clock.ts';

const secret = (id: string, createdAtMs: number, lastWorkedAtMs: number | null = null): AppSecretFacts => ({
  id,
  createdAtMs,
  lastWorkedAtMs,
  retiredAtMs: null,
});
const order = (...secrets: AppSecretFacts[]) => inOrderToTry(secrets).map(({ id }) => id);

describe('client secrets', () => {
  it('are tried newest first while none has worked', () => {
    expect(order(secret('c', 3), secret('b', 2), secret('a', 1))).toEqual(['c', 'b', 'a']);
  });

  it('are tried with the one that worked last first', () => {
    expect(order(secret('c', 3), secret('b', 2, 9), secret('a', 1, 5))).toEqual(['b', 'c', 'a']);
  });

  it('are tried newest first again once one has appeared since', () => {
    expect(order(secret('c', 10), secret('b', 2, 9), secret('a', 1))).toEqual(['c', 'b', 'a']);
  });
});

describe('the source of apps', () => {
  function createWorld(secrets: AppSecretFacts[]) {
    const clock = createVirtualClock(1_000_000);
    const vault = createFakeVault();
    const written: string[] = [];
    let reads = 0;
    const sealed = (): SealedAppSecret[] =>
      secrets.map((facts) => ({
        ...facts,
        sealed: vault.sealed(`value-${facts.id}`, `app_secrets:${facts.id}:client_secret`),
      }));
    const apps: Pick<AppStore, 'maybeOne' | 'secrets' | 'noteSecretWorked'> = {
      maybeOne: async (app) => (app === 'demo' ? buildApp() : null),
      secrets: async () => {
        reads += 1;
        return sealed();
      },
      noteSecretWorked: async (_, id) => void written.push(id),
    };
    const silent = (): void => {};
    const log = { debug: silent, info: silent, warn: silent, error: silent };
    const source = createAppSource({ apps: apps as AppStore, vault, clock, log });
    const ids = async (options?: { readonly fresh: boolean }) =>
      (await source.one('demo', options)).credentials.map(({ secretId }) => secretId);
    return { source, ids, secrets, written, reads: () => reads, clock };
  }

  it('opens each secret, and reads anew after a few seconds or when asked to', async () => {
    const { source, ids, secrets, reads } = createWorld([secret('a', 1)]);
    expect((await source.one('demo')).credentials.map((one) => one.clientSecret.reveal())).toEqual(['value-a']);
    secrets.unshift(secret('b', 2));
    expect(await ids()).toEqual(['a']);
    expect(await ids({ fresh: true })).toEqual(['b', 'a']);
    expect([await ids(), reads()]).toEqual([['b', 'a'], 2]);
  });

  it('knows which secret worked at once, and writes it down only when that is news', async () => {
    const { source, ids, written } = createWorld([secret('b', 2), secret('a', 1)]);
    await ids();
    for (let times = 0; times < 3; times += 1) {
      source.worked('demo', 'a');
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect([await ids(), written]).toEqual([['a', 'b'], ['a']]);
  });

  it('has no credentials for an app whose secrets are all retired, and no app that nobody knows', async () => {
    const { source, ids } = createWorld([]);
    expect(await ids()).toEqual([]);
    await expect(source.one('nobody')).rejects.toMatchObject({ code: 'not-found' });
  });
});
