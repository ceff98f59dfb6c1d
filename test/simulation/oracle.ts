/**
 * What must hold in every moment of a simulated world, seen from outside: by what Concur has on file, what we have on
 * file, and what went over the wire. It counts what it exempts. Longer than 300 lines: one invariant after another,
 * over the same view of the world.
 */
import type { HttpResponse } from '../../core/ports.ts';
import type { ConnectionState } from '../../core/connection.ts';
import type { ConnectionCargo } from '../../core/lifeboat.ts';
import { marginMs } from '../../core/refresh-policy.ts';
import { HOUR, KEY, NOW_MS, policy } from './builders.ts';
import type { Execution, Executions } from './executions.ts';
import type { FakeVault } from './fake-vault.ts';
import type { Process } from './fleet.ts';
import type { MemoryConnectionStore } from './memory-connection-store.ts';
import type { Run, Runs } from './runs.ts';
import type { SimulatedConcur, TokenCall } from './simulated-concur.ts';
import type { Timeline } from './timeline.ts';
import type { Trace } from './trace.ts';

export type Invariant = 'I1' | 'I2' | 'I3' | 'I4' | 'I6' | 'I8' | 'liveness' | 'defect';

export interface Violation {
  readonly invariant: Invariant;
  readonly what: string;
}

export const counted = [
  'tokenCalls',
  'grants',
  'deaths',
  'rotationsLost',
  'diedInHand',
  'cargoLostWithRun',
  'deathsBeforeLateAnswer',
  'revivals',
  'overlapsFrozen',
  'overlapsByClock',
  'deathsByClock',
  'staleByClock',
  'lifeboats',
  'reads',
  'tokensHandedOut',
] as const;
export type Counted = (typeof counted)[number];

export interface Oracle {
  readonly violations: readonly Violation[];
  readonly counts: Record<Counted, number>;
  violated(invariant: Invariant, what: string): void;
  /** A refresh token that was on file before the world began. */
  begins(refreshToken: string): void;
  /** A token request leaves. */
  sent(call: TokenCall): void;
  /** Concur has carried it out, whoever hears of it. */
  granted(call: TokenCall, response: HttpResponse): void;
  answered(call: TokenCall, response: HttpResponse): void;
  /** A transaction has just been written. */
  committed(): void;
  killed(process: Process): void;
  runLost(run: Run): void;
  jumped(): void;
  /** Whether both came of one Connect. */
  isOneGrant(refreshToken: string, other: string): boolean;
  /** Concur takes a value again that it has refused. */
  reborn(refreshToken: string): void;
  handedOut(accessToken: string, stateRead: ConnectionState): void;
  /** Between two events. */
  check(): void;
  /** When everything is healed and time has passed. */
  checkEnd(): void;
  /** Refresh tokens that Concur takes now. */
  alive(): ReadonlySet<string>;
}

interface Deps {
  readonly timeline: Timeline;
  readonly trace: Trace;
  readonly concur: SimulatedConcur;
  readonly store: MemoryConnectionStore;
  readonly vault: FakeVault;
  readonly executions: Executions;
  readonly runs: () => Runs;
  readonly isAnyClockWrong: () => boolean;
}

/** A refresh token that has reached one of our processes. */
interface Reached {
  /** Null: it was on file when the world began. */
  readonly execution: Execution | null;
  /** It has been on file. */
  isFiled: boolean;
  /** Lost in the window that nobody can close: its process died before the first durable write. */
  isExcused: boolean;
}

export function createOracle(deps: Deps): Oracle {
  const { timeline, trace, concur, store, vault } = deps;
  const violations: Violation[] = [];
  const counts = Object.fromEntries(counted.map((name) => [name, 0])) as Record<Counted, number>;
  const reached = new Map<string, Reached>();
  const lineage = new Map<string, number>();
  const refused = new Set<string>();
  const access = new Map<string, { readonly expiresAtMs: number; readonly isByWrongClock: boolean }>();
  const opened = new Map<string, string>();
  let calls: TokenCall[] = [];
  let lastState: ConnectionState | null = null;
  let lastTrail = 0;
  let jumpedAtMs = Number.NEGATIVE_INFINITY;
  let stamp = '';
  let commits = 0;
  /** The newest Connect whose tokens were on file: those of earlier ones were given up with it. */
  let newestLine = 0;
  /** Everything up to this one was to be ended by a revoke. */
  let revokedLine = -1;
  let lastFiled: ReadonlySet<string> = new Set();

  const violated = (invariant: Invariant, what: string): void => {
    violations.push({ invariant, what });
    trace.note(`VIOLATED ${invariant}: ${what}`);
  };
  const open = (sealed: string): string => {
    const known = opened.get(sealed);
    if (known !== undefined) return known;
    const value = vault.peek(sealed);
    opened.set(sealed, value);
    return value;
  };
  const refreshTokenOfAnswer = (sealed: string): string | null => JSON.parse(open(sealed)).refreshToken;
  const refreshTokenOf = (cargo: ConnectionCargo): string | null => {
    if (cargo.kind === 'exchange') return refreshTokenOfAnswer(cargo.answer);
    return cargo.outcome.refreshToken === null ? null : open(cargo.outcome.refreshToken);
  };
  const alive = (): Set<string> => {
    const { tokens } = concur.model;
    const all = tokens.refreshTokens.manyOf(concur.app.clientId, concur.company.id);
    return new Set(all.filter((token) => tokens.isLive(token)).map(({ value }) => value));
  };
  const row = () => (lastState === null ? null : store.one(KEY));

  /** Values on file: current, previous, candidates, and answers that nobody has looked at. */
  function filed(): Set<string> {
    const found = row();
    const values = new Set<string>();
    if (found === null) return values;
    const { grant, attempts } = found;
    for (const token of [grant.current, grant.previous, ...attempts.map(({ candidate }) => candidate)])
      if (token !== null) values.add(open(token.sealed));
    for (const { answer } of attempts) {
      const value = answer === null ? null : refreshTokenOfAnswer(answer);
      if (value !== null) values.add(value);
    }
    return values;
  }

  /** Values that Temporal will bring to us again. */
  function underWay(): Set<string> {
    const values = new Set<string>();
    const add = (cargo: ConnectionCargo | null): void => {
      const value = cargo === null ? null : refreshTokenOf(cargo);
      if (value !== null) values.add(value);
    };
    for (const run of deps.runs().living) {
      add(run.cargo);
      for (const execution of run.executions) if (execution.isAwaited) add(execution.accepted);
    }
    return values;
  }

  const isInHand = (value: string): boolean => {
    const known = reached.get(value);
    return known?.execution != null && deps.executions.running.has(known.execution);
  };

  function excuse(value: string, known: Reached, as: 'diedInHand' | 'cargoLostWithRun'): void {
    known.isExcused = true;
    if (!alive().has(value)) return;
    counts[as] += 1;
    trace.note(`exempt: ${as}`);
  }

  function checkRotations(): void {
    if (lastState === 'revoking' || lastState === 'revoked') return;
    const living = alive();
    if (living.size === 0) return;
    const onFile = filed();
    if ([...onFile, ...underWay()].some((value) => living.has(value))) return;
    // Concur has rotated strictly, and its answer is on its way, or lost with whoever had it in hand. What an earlier
    // Connect brought may live on and was given up by the later one.
    const lines = new Set([...onFile].map((value) => lineage.get(value)));
    const isComing = (value: string): boolean => {
      const known = reached.get(value);
      return lines.has(lineage.get(value)) && (known === undefined || known.isExcused || isInHand(value));
    };
    if ([...living].some(isComing)) return;
    for (const value of living) {
      const known = reached.get(value);
      if (known === undefined || known.isExcused || isInHand(value)) continue;
      const line = lineage.get(value) ?? 0;
      if (line < newestLine || line <= revokedLine) continue;
      violated('I1', `a living token that reached us is on file no more (${known.execution?.name ?? 'the first'})`);
      known.isExcused = true;
    }
  }

  function judgeDeath(reason: string | null): void {
    counts.deaths += 1;
    const living = alive();
    const onFile = filed();
    for (const value of onFile) {
      if (living.has(value)) violated('I4', `died (${reason}) with a living token on file`);
      else if (!refused.has(value))
        violated('I4', `died (${reason}) with a token on file that nobody was refused with`);
    }
    for (const call of calls.filter((one) => isOpen(one) && !wasFrozen(one))) {
      if (hasSkew(call)) counts.deathsByClock += 1;
      else violated('I4', `died (${reason}) with a call open`);
    }
    const lines = new Set([...onFile].map((value) => lineage.get(value)));
    const lost = [...living].filter((value) => lines.has(lineage.get(value)) && !onFile.has(value));
    if (lost.length === 0) return;
    if (reason === 'rotation-lost') {
      counts.rotationsLost += 1;
      const comes = [...underWay()].some((value) => living.has(value)) || lost.some(isInHand);
      if (comes) counts.deathsBeforeLateAnswer += 1;
    } else violated('I1', `a lost rotation ended as ${reason}`);
  }

  const isOpen = (call: TokenCall): boolean => !call.isOver && call.untilMs > timeline.nowMs();
  const wasFrozen = ({ execution, sentAtMs }: TokenCall): boolean => execution.process.thawedAtMs >= sentAtMs;
  /** Horizons are kept in the wall clocks of the workers: where one is an hour off, another's call looks long over. */
  const hasSkew = (call: TokenCall): boolean => jumpedAtMs >= call.sentAtMs || deps.isAnyClockWrong();

  return {
    violations,
    counts,
    violated,
    alive,
    begins(refreshToken) {
      lineage.set(refreshToken, 0);
      reached.set(refreshToken, { execution: null, isFiled: true, isExcused: false });
      lastState = store.one(KEY).connection.state;
      lastFiled = filed();
    },
    sent(call) {
      counts.tokenCalls += 1;
      trace.note(`${call.execution.name} asks Concur`);
      calls = calls.filter(isOpen);
      for (const other of calls) {
        if (other.execution === call.execution) continue;
        const isFrozen = wasFrozen(other) || call.execution.process.thawedAtMs >= call.askedAtMs;
        if (isFrozen) counts.overlapsFrozen += 1;
        else if (hasSkew(other)) counts.overlapsByClock += 1;
        else violated('I2', `${call.execution.name} calls while ${other.execution.name} may be answered`);
      }
      calls.push(call);
    },
    granted(call, response) {
      const body = grantOf(response);
      if (body === null) return;
      counts.grants += 1;
      const { access_token, refresh_token, expires_in } = body;
      access.set(access_token, {
        expiresAtMs: timeline.nowMs() + Number(expires_in) * 1_000,
        isByWrongClock: jumpedAtMs >= call.sentAtMs || call.execution.process.skewMs !== 0,
      });
      if (refresh_token !== undefined && !lineage.has(refresh_token)) {
        lineage.set(refresh_token, call.isRefresh ? (lineage.get(call.token) ?? 0) : lineage.size + 1);
      }
    },
    answered(call, response) {
      trace.note(
        `${call.execution.name} is answered ${response.status} ${/"code":"?\d+/.exec(response.body)?.[0] ?? ''}`,
      );
      const value = grantOf(response)?.refresh_token;
      if (value !== undefined && !reached.has(value)) {
        reached.set(value, { execution: call.execution, isFiled: false, isExcused: false });
      }
      if (call.isRefresh && /"code":"?(108|100|55)\b/.test(response.body)) refused.add(call.token);
    },
    committed() {
      commits += 1;
      let after: ConnectionState;
      let reason: string | null;
      try {
        ({ state: after, reason } = store.one(KEY).connection);
      } catch {
        return;
      }
      const before = lastState;
      lastState = after;
      const trail = store.trail(KEY);
      const events = trail.slice(lastTrail);
      lastTrail = trail.length;
      const filedBefore = lastFiled;
      lastFiled = filed();
      for (const value of lastFiled) {
        newestLine = Math.max(newestLine, lineage.get(value) ?? 0);
        const known = reached.get(value);
        if (known !== undefined) known.isFiled = true;
      }
      if (before === after) return;
      trace.note(`state: ${before} -> ${after} (${reason})`);
      const isTold = events.some(({ stateFrom, stateTo }) => stateTo === after && stateFrom === before);
      if (!isTold) violated('I8', `${before} became ${after} without an audit row`);
      if (after === 'reauthorization-required') judgeDeath(reason);
      if (before === 'reauthorization-required' && after === 'active') counts.revivals += 1;
      if (after !== 'revoked') return;
      revokedLine = newestLine;
      const living = alive();
      if ([...filedBefore].some((value) => living.has(value))) {
        violated('I6', 'revoked while Concur still takes a token that was on file');
      }
    },
    killed(process) {
      const safe = underWay();
      for (const [value, known] of reached) {
        if (known.execution?.process !== process || known.isFiled || known.isExcused || safe.has(value)) continue;
        if (!known.execution.isOver) excuse(value, known, 'diedInHand');
      }
    },
    runLost(run) {
      const safe = underWay();
      for (const [value, known] of reached) {
        if (known.isFiled || known.isExcused || safe.has(value) || isInHand(value)) continue;
        const isCargo = run.cargo !== null && refreshTokenOf(run.cargo) === value;
        if (isCargo || (known.execution !== null && run.executions.has(known.execution)))
          excuse(value, known, 'cargoLostWithRun');
      }
    },
    jumped() {
      jumpedAtMs = timeline.nowMs();
    },
    isOneGrant: (refreshToken, other) => lineage.get(refreshToken) === lineage.get(other),
    reborn: (refreshToken) => void refused.delete(refreshToken),
    handedOut(accessToken, stateRead) {
      counts.tokensHandedOut += 1;
      if (stateRead === 'revoking' || stateRead === 'revoked')
        violated('I3', `a token was handed out while ${stateRead}`);
      const known = access.get(accessToken);
      if (known === undefined) return;
      const leftMs = known.expiresAtMs - timeline.nowMs();
      if (leftMs >= marginMs(policy, HOUR)) return;
      if (known.isByWrongClock) counts.staleByClock += 1;
      else violated('I3', `a token was handed out ${leftMs} ms before its end`);
    },
    check() {
      const now = `${concur.model.revision} ${commits} ${deps.executions.running.size} ${deps.runs().living.length}`;
      if (now === stamp) return;
      stamp = now;
      checkRotations();
    },
    checkEnd() {
      if (lastState === null) return;
      const { connection } = store.one(KEY);
      const living = alive();
      const onFile = [...filed()].filter((value) => living.has(value));
      const where = `${connection.state} (${connection.reason}, ${connection.lastError?.code ?? 'no error'})`;
      switch (connection.state) {
        case 'active':
          if (onFile.length === 0 && !isAllLost(living)) violated('liveness', `active with no token that Concur takes`);
          if ((connection.accessTokenExpiresAtMs ?? 0) < NOW_MS + timeline.nowMs())
            violated('liveness', 'active, and asked for a token, and none is fresh');
          return;
        case 'reauthorization-required':
          if (onFile.length > 0) violated('liveness', `${where} with a token on file that Concur takes`);
          return;
        case 'revoked':
        case 'connect-failed':
          return;
        default:
          violated('liveness', `stuck: ${where}`);
      }
    },
  };

  function isAllLost(living: ReadonlySet<string>): boolean {
    return [...living].every((value) => reached.get(value)?.isExcused ?? true);
  }
}

interface Granted {
  readonly access_token: string;
  readonly refresh_token?: string;
  readonly expires_in: string;
}

function grantOf({ status, body }: HttpResponse): Granted | null {
  if (status !== 200 || !body.includes('"access_token"')) return null;
  return JSON.parse(body);
}
