/** How long a connect without a landing page may take, whatever Temporal does. */
import { expect, it } from 'vitest';
import { createIntake } from '../../api/intake.ts';
import { AppError } from '../../core/errors.ts';
import { defaultRefreshPolicy } from '../../core/refresh-policy.ts';
import { Secret } from '../../core/secret.ts';
import type { IntakeStore } from '../../core/stores.ts';
import type { UnidentifiedConnect } from '../../core/unidentified.ts';
import { buildApp } from '../simulation/builders.ts';
import { createFakeVault } from '../simulation/fake-vault.ts';
import { createMemoryConnectionStore } from '../simulation/memory-connection-store.ts';
import { createVirtualClock } from '../simulation/virtual-clock.ts';

const PRINCIPAL = '11111111-2222-4333-8444-555555555555';

/** `identify` and `exchange`: how long each of the two workflows keeps its caller, in milliseconds. */
function createRig(lasts: { readonly identify: number; readonly exchange: number | Error }) {
  const clock = createVirtualClock(Date.UTC(2026, 8, 1));
  const rows = new Map<string, UnidentifiedConnect>();
  const intakes: Pick<IntakeStore, 'open' | 'maybeOne'> = {
    open: async (row) => void rows.set(row.id, row),
    maybeOne: async (_app, id) => rows.get(id) ?? null,
  };
  const intake = createIntake({
    clock,
    rng: { uuid: () => crypto.randomUUID(), token: () => 'session-1' },
    vault: createFakeVault(),
    policy: defaultRefreshPolicy,
    requestTokenTtlMs: 86_400_000,
    connections: createMemoryConnectionStore(clock),
    intakes: intakes as IntakeStore,
    lifecycle: {
      async connectUnidentified() {
        await clock.sleep(lasts.identify);
        for (const [id, row] of rows) rows.set(id, { ...row, principal: PRINCIPAL });
        return PRINCIPAL;
      },
      async connect() {
        if (lasts.exchange instanceof Error) throw lasts.exchange;
        await clock.sleep(lasts.exchange);
        for (const [id, row] of rows) rows.set(id, { ...row, status: 'connected' });
        return null;
      },
    },
  });
  const login = {
    app: buildApp(),
    kind: 'password',
    principal: null,
    credential: new Secret('login'),
    dataCentre: 'us2',
    customerRef: null,
    replace: false,
    actor: 'client:test',
  } as const;
  return { clock, connect: () => clock.run(intake.connect(login)) };
}

it('settles within 20 s, though it first has to be found out whose it is', async () => {
  const { clock, connect } = createRig({ identify: 15_000, exchange: 15_000 });
  expect(await connect()).toEqual({ outcome: 'pending', principal: PRINCIPAL, sessionId: 'session-1' });
  expect(clock.monotonic()).toBe(20_000);
});

it('is told as soon as it is done, and leaves nothing waiting', async () => {
  const { clock, connect } = createRig({ identify: 1_000, exchange: 2_000 });
  expect(await connect()).toMatchObject({ outcome: 'connected', principal: PRINCIPAL });
  expect([clock.monotonic(), clock.sleepers()]).toEqual([3_000, 0]);
});

it('is pending while Temporal is away, and throws what is a defect', async () => {
  const away = createRig({ identify: 0, exchange: new AppError('temporal-unavailable', 'away') });
  expect(await away.connect()).toMatchObject({ outcome: 'pending', principal: PRINCIPAL });
  const broken = createRig({ identify: 0, exchange: new TypeError('broken') });
  await expect(broken.connect()).rejects.toThrow('broken');
  expect(broken.clock.sleepers()).toBe(0);
});
