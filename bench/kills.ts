/**
 * What a `kill -9` in the middle of calls costs. Concur has rotated before it answers, its answers are on their way for a
 * while, and the process dies when the first of them have come: some calls are over, some answers have just
 * arrived, the rest is still to come. The same for every victim, with the same number of calls.
 */
import type { Backend } from '../test/integration/backend.ts';
import type { Rotation } from '../dev/sandbox/model/types.ts';

/** Calls that are made at once, and how many of them are over when the process dies. */
const CALLS = 20;
const OVER = 8;
/** So long that all calls have begun when the first answer comes; then one answer after the other. */
const FIRST_ANSWER_MS = 3_000;
const BETWEEN_ANSWERS_MS = 60;
const IN_TIME_MS = 60_000;

export interface Victim {
  /** The app whose connections it keeps. */
  readonly clientId: string;
  /** Makes so many connections, none of them due; the ids of their companies. */
  add(count: number): Promise<readonly string[]>;
  /** All of them are due now. */
  makeDue(ids: readonly string[]): Promise<void>;
  /** SIGKILL; sent when it returns. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  /** Resolves when it has nothing more to find out about them, as far as it goes on by itself. */
  untilQuiet(ids: readonly string[]): Promise<void>;
  /** The refresh token that it has on file for each, in the same order. */
  storedTokens(ids: readonly string[]): Promise<readonly (string | null)[]>;
}

/** One kill. */
interface Blow {
  readonly ids: readonly string[];
  /** Calls that had begun. */
  readonly calls: number;
  /** Calls whose answer had not been sent: under strict rotation nobody can keep those. */
  readonly underWay: number;
}

export interface Losses {
  readonly kills: number;
  readonly calls: number;
  /** Calls whose answers had not been sent when the process died. */
  readonly underWay: number;
  /** Connections whose stored refresh token is of no use any more. */
  readonly lost: number;
}

/** Kills it so many times. What is lost is looked up at the end, by {@link lossesOf}. */
export async function killOften(
  { sandbox }: Backend,
  victim: Victim,
  { rotation, times }: { readonly rotation: Rotation; readonly times: number },
): Promise<readonly Blow[]> {
  const { clientId } = victim;
  sandbox.setRotation(clientId, rotation);
  const blows: Blow[] = [];
  for (let time = 0; time < times; time += 1) {
    const ids = await victim.add(CALLS);
    const wanted = new Set(ids);
    const match = { endpoint: 'token', grantType: 'refresh_token', clientId } as const;
    const delays = ids.map((_, index) =>
      sandbox.fault({
        ...{ kind: 'delay', ms: FIRST_ANSWER_MS + index * BETWEEN_ANSWERS_MS, when: 'after', match },
        ...{ skip: index, times: 1 },
      }),
    );
    const calls = () => sandbox.calls(match).filter(({ principalId }) => wanted.has(principalId ?? ''));
    const after = Math.max(0, ...sandbox.calls(match).map(({ id }) => id));
    const due = victim.makeDue(ids);
    // Told in the same turn in which the answer is on its way.
    await sandbox.waitForCalls({ ...match, after }, OVER, IN_TIME_MS);
    const begun = calls();
    const underWay = begun.filter(({ endedAt }) => endedAt === null).length;
    await victim.kill();
    blows.push({ ids, calls: begun.length, underWay });
    await due;
    for (const delay of delays) delay.remove();
    await victim.restart();
  }
  return blows;
}

/** Waits until it is quiet, then asks the sandbox which of the stored tokens it still honours. */
export async function lossesOf({ sandbox }: Backend, victim: Victim, blows: readonly Blow[]): Promise<Losses> {
  const ids = blows.flatMap((blow) => blow.ids);
  await victim.untilQuiet(ids);
  const stored = await victim.storedTokens(ids);
  const isHonoured = (id: string, token: string | null): boolean =>
    sandbox
      .grants({ clientId: victim.clientId, principalId: id })
      .some(({ refreshTokens }) => refreshTokens.some(({ value, live }) => live && value === token));
  return {
    kills: blows.length,
    calls: blows.reduce((sum, blow) => sum + blow.calls, 0),
    underWay: blows.reduce((sum, blow) => sum + blow.underWay, 0),
    lost: ids.filter((id, index) => !isHonoured(id, stored[index] ?? null)).length,
  };
}
