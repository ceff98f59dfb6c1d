import { describe, expect, it } from 'vitest';
import type { Intake, IntakeResult } from '../../api/intake-port.ts';
import { readImport } from '../../api/schemas/connects.ts';
import type { ImportRow } from '../../cli/import-file.ts';
import { importRows, type ImportRowsDeps } from '../../cli/import-rows.ts';
import { AppError } from '../../core/errors.ts';
import { buildApp } from '../integration/store-fixtures.ts';

const app = buildApp();

function buildRow(line: number): ImportRow {
  const principal = `00000000-0000-4000-8000-${String(line).padStart(12, '0')}`;
  const order = readImport({ principal_id: principal, refresh_token: `t-${line}`, geolocation: 'https://x.example' });
  return { line, principal, order };
}

/** A clock that goes on as far as somebody sleeps. */
function createClock() {
  let nowMs = 0;
  return {
    now: () => nowMs,
    monotonic: () => nowMs,
    async sleep(ms: number) {
      nowMs += ms;
      await Promise.resolve();
    },
  };
}

/** Sessions on file, and what is answered to a row that is brought. */
function createWorld(connect: (line: number, sessionId: string) => IntakeResult | Error) {
  const sessions = new Map<string, IntakeResult>();
  const brought: string[] = [];
  const intake: Intake = {
    async connect({ sessionId = '' }) {
      brought.push(sessionId);
      const result = connect(Number(sessionId.split(':')[0]), sessionId);
      if (result instanceof Error) throw result;
      sessions.set(sessionId, result);
      return result;
    },
    look: async (_app, sessionId) => sessions.get(sessionId) ?? null,
  };
  const clock = createClock();
  const run = (rows: readonly ImportRow[], over: Partial<ImportRowsDeps> = {}) =>
    importRows(
      {
        clock,
        intake,
        app: 'demo',
        concurrency: 3,
        ratePerSecond: 10,
        patienceMs: 5_000,
        buildRequest: ({ order, principal }) => ({
          app,
          kind: 'refresh-token',
          principal,
          credential: order.credential(app),
          dataCentre: 'us2',
          customerRef: null,
          replace: false,
          actor: 'cli:tester',
        }),
        sessionIdOf: async ({ line }, tries) => `${line}:${tries}`,
        onProgress: () => undefined,
        ...over,
      },
      rows,
    );
  return { run, sessions, brought, clock };
}

const connected = (line: number): IntakeResult => ({
  outcome: 'connected',
  principal: buildRow(line).principal,
  isNew: true,
});
const rows = [1, 2, 3, 4, 5].map(buildRow);

describe('the rows of an import', () => {
  it('are brought once each, in any number of runs', async () => {
    const world = createWorld(connected);
    for (let run = 1; run <= 2; run += 1) {
      const results = await world.run(rows);
      expect(results.map(({ row, result }) => [row.line, result.outcome])).toEqual(
        rows.map(({ line }) => [line, 'connected']),
      );
    }
    expect(world.brought.toSorted()).toEqual(['1:0', '2:0', '3:0', '4:0', '5:0']);
  });

  it('are begun no faster than told', async () => {
    const world = createWorld(connected);
    await world.run(rows, { ratePerSecond: 2 });
    expect(world.clock.now()).toBeGreaterThanOrEqual(2_000);
  });

  it('that failed are tried once more by the next run, on a session of their own', async () => {
    const world = createWorld((line) =>
      line === 2 ? { outcome: 'failed', code: 'reauthorization-required' } : connected(line),
    );
    const [, second] = await world.run(rows);
    expect(second?.result).toEqual({ outcome: 'failed', code: 'reauthorization-required' });
    await world.run(rows);
    expect(world.brought.filter((id) => id.startsWith('2:'))).toEqual(['2:0', '2:1']);
  });

  it('that take long are joined, and waited for at the end', async () => {
    const pending = (line: number): IntakeResult => ({
      outcome: 'pending',
      principal: buildRow(line).principal,
      sessionId: '',
    });
    const world = createWorld((line) => (line === 3 ? pending(line) : connected(line)));
    expect((await world.run(rows))[2]?.result.outcome).toBe('pending');
    const settled = world.run(rows);
    world.sessions.set('3:0', connected(3));
    expect((await settled)[2]?.result.outcome).toBe('connected');
  });

  it('over a connection that lives are told as a conflict, unless the same row has made it', async () => {
    const world = createWorld((line, sessionId) => {
      if (line === 1) world.sessions.set(sessionId, connected(1));
      return line <= 2 ? new AppError('conflict', 'It lives.') : connected(line);
    });
    const results = await world.run(rows);
    expect(results.slice(0, 3).map(({ result }) => [result.outcome, result.code])).toEqual([
      ['connected', null],
      ['failed', 'conflict'],
      ['connected', null],
    ]);
  });

  it('outlive a database that is away for a moment, and are left untried when it stays away', async () => {
    let outages = 2;
    const away = new AppError('database-unavailable', 'away');
    const mended = createWorld((line) => (outages-- > 0 ? away : connected(line)));
    expect((await mended.run(rows)).every(({ result }) => result.outcome === 'connected')).toBe(true);
    const gone = createWorld((line) => (line > 2 ? away : connected(line)));
    const outcomes = (await gone.run(rows)).map(({ result }) => result.outcome);
    expect(outcomes).toEqual(['connected', 'connected', 'not-tried', 'not-tried', 'not-tried']);
  });

  it('are not hidden behind a defect', async () => {
    const world = createWorld((line) => (line === 2 ? new TypeError('a bug') : connected(line)));
    await expect(world.run(rows)).rejects.toThrow('a bug');
  });
});
