/** SAP Concur as the test dictates it: each operation answers its replies in turn, and remembers who asked for what. */
import type {
  AppCredentials,
  Clock,
  Concur,
  ConcurFailure,
  ConcurResult,
  DataCentre,
  MigratedGrant,
  Principal,
  TokenAnswer,
} from '../../core/ports.ts';
import { Secret } from '../../core/secret.ts';
import { us2 } from './builders.ts';

type IdTokenVerdict = Awaited<ReturnType<Concur['verifyIdToken']>>;

/** What one call gets, `afterMs` later; a call that gets `never` hangs for ever. */
export interface Reply<T> {
  readonly give:
    | { readonly ok: true; readonly value: T }
    | { readonly ok: false; readonly failure: ConcurFailure }
    | 'never';
  readonly afterMs?: number;
  readonly correlationId?: string;
  readonly dataCentre?: DataCentre;
}

interface Values {
  readonly exchangeRequestToken: TokenAnswer;
  readonly refreshTokens: TokenAnswer;
  readonly revokeConnection: null;
  readonly fetchPrincipal: Principal;
  readonly proveCredentials: null;
  readonly refreshLegacyToken: TokenAnswer;
  readonly revokeLegacyToken: null;
  readonly exchangePassword: TokenAnswer;
  readonly exchangeLegacyCode: TokenAnswer;
  readonly migrateLegacyToken: MigratedGrant;
}
export type Operation = keyof Values;

export interface SeenCall {
  readonly operation: Operation | 'verifyIdToken';
  readonly atMs: number;
  /** Data centre that was asked for; the exchange knows where to go by itself. */
  readonly dataCentre: string | null;
  /** The token that was sent, in clear. */
  readonly token: string;
}

export interface ScriptedConcur extends Concur {
  readonly calls: SeenCall[];
  /** Client secrets of the token calls, in clear, in order. */
  readonly clientSecrets: string[];
  /** Appends replies; an operation that runs out of them throws. */
  script<O extends Operation>(operation: O, ...replies: readonly Reply<Values[O]>[]): void;
  /** Replies to everything that the script of the operation leaves unanswered. */
  always<O extends Operation>(operation: O, reply: () => Reply<Values[O]>): void;
  idToken(verdict: IdTokenVerdict): void;
  /** Tokens sent by one operation, in order. */
  sent(operation: SeenCall['operation']): readonly string[];
}

export function createScriptedConcur(clock: Clock): ScriptedConcur {
  const calls: SeenCall[] = [];
  const clientSecrets: string[] = [];
  const noteSecret = ({ credentials }: { readonly credentials: AppCredentials }): void =>
    void clientSecrets.push(credentials.clientSecret.reveal());
  const scripts = new Map<Operation, Reply<never>[]>();
  const fallbacks = new Map<Operation, () => Reply<never>>();
  let idTokenVerdict: IdTokenVerdict = { verdict: 'unavailable', why: 'no verdict was scripted' };

  async function answer<O extends Operation>(
    operation: O,
    dataCentre: string | null,
    token: Secret,
    options: { readonly horizonMs: number; readonly onSent?: () => void },
  ): Promise<ConcurResult<Values[O]>> {
    const sentAtMs = clock.now();
    calls.push({ operation, atMs: sentAtMs, dataCentre, token: token.reveal() });
    options.onSent?.();
    const next = scripts.get(operation)?.shift() ?? fallbacks.get(operation)?.();
    if (next === undefined) throw new Error(`nobody expected a call of ${operation}`);
    const reply: Reply<Values[O]> = next;
    const { give } = reply;
    if (give === 'never') return await new Promise<never>(() => {});
    if (reply.afterMs !== undefined) await clock.sleep(reply.afterMs);
    return {
      ...give,
      sentAtMs,
      endedAtMs: clock.now(),
      correlationId: reply.correlationId ?? null,
      dataCentre: reply.dataCentre ?? us2,
    };
  }

  return {
    calls,
    clientSecrets,
    script(operation, ...replies) {
      scripts.set(operation, [...(scripts.get(operation) ?? []), ...(replies as readonly Reply<never>[])]);
    },
    always: (operation, reply) => void fallbacks.set(operation, reply as () => Reply<never>),
    idToken: (verdict) => {
      idTokenVerdict = verdict;
    },
    sent: (operation) => calls.filter((call) => call.operation === operation).map(({ token }) => token),
    exchangeRequestToken(input, options) {
      noteSecret(input);
      return answer('exchangeRequestToken', null, input.requestToken, options);
    },
    refreshTokens(input, options) {
      noteSecret(input);
      return answer('refreshTokens', input.dataCentre, input.refreshToken, options);
    },
    proveCredentials(input, options) {
      noteSecret(input);
      return answer('proveCredentials', input.dataCentre, new Secret(''), options);
    },
    revokeConnection: (input, options) => answer('revokeConnection', input.dataCentre, input.accessToken, options),
    exchangePassword: (input, options) => answer('exchangePassword', input.dataCentre, input.password, options),
    exchangeLegacyCode: (input, options) => answer('exchangeLegacyCode', input.dataCentre, input.code, options),
    migrateLegacyToken: (input, options) =>
      answer('migrateLegacyToken', input.dataCentre, input.legacyRefreshToken, options),
    refreshLegacyToken(input, options) {
      noteSecret(input);
      return answer('refreshLegacyToken', input.dataCentre, input.grant, options);
    },
    revokeLegacyToken: (input, options) => answer('revokeLegacyToken', input.dataCentre, input.accessToken, options),
    fetchPrincipal: (input, options) => answer('fetchPrincipal', input.dataCentre, input.accessToken, options),
    async verifyIdToken({ dataCentre, idToken }) {
      calls.push({ operation: 'verifyIdToken', atMs: clock.now(), dataCentre, token: idToken.reveal() });
      return idTokenVerdict;
    },
  };
}

/** A token answer; `refreshToken` null: Concur returns none. */
export function tokens(
  facts: Partial<Omit<TokenAnswer, 'accessToken' | 'refreshToken' | 'idToken'>> & {
    readonly accessToken?: string;
    readonly refreshToken?: string | null;
    readonly idToken?: string | null;
  } = {},
  reply: Omit<Reply<never>, 'give'> = {},
): Reply<TokenAnswer> {
  const { accessToken = 'access-1', refreshToken = 'refresh-1', idToken = null, ...plain } = facts;
  const value: TokenAnswer = {
    accessToken: new Secret(accessToken),
    refreshToken: refreshToken === null ? null : new Secret(refreshToken),
    idToken: idToken === null ? null : new Secret(idToken),
    tokenType: 'Bearer',
    scope: 'openid company.read',
    expiresInSeconds: 3_600,
    refreshExpiresAtMs: null,
    geolocationRaw: null,
    geolocation: us2,
    ...plain,
  };
  return { ...reply, give: { ok: true, value } };
}

/** An answer with a success that has no value, or the given one. */
export function success<T>(value: T, reply: Omit<Reply<never>, 'give'> = {}): Reply<T> {
  return { ...reply, give: { ok: true, value } };
}

export function failure(what: ConcurFailure, reply: Omit<Reply<never>, 'give'> = {}): Reply<never> {
  return { ...reply, give: { ok: false, failure: what } };
}

/** A 400 with one of Concur's codes, or a bare status. */
export function refusal(
  what: { readonly code?: number; readonly status?: number; readonly retryAfterMs?: number },
  reply: Omit<Reply<never>, 'give'> = {},
): Reply<never> {
  const { code = null, status = 400, retryAfterMs = null } = what;
  const answer = {
    kind: 'answer',
    status,
    concurCode: code,
    oauthError: null,
    retryAfterMs,
    geolocation: null,
  } as const;
  return failure(answer, reply);
}

/** The request was sent and nothing came back until the socket was given up. */
export function silence(afterMs: number): Reply<never> {
  return failure({ kind: 'transport', transport: 'timeout', sent: true }, { afterMs });
}

/** The request never left. */
export function unreachable(): Reply<never> {
  return failure({ kind: 'transport', transport: 'dns', sent: false });
}
