/**
 * What an answer of SAP Concur means for a connection. The one place that decides.
 *
 * Judged by Concur's own code first, its words and the OAuth `error` next, the HTTP status last. Guarantees: a living connection
 * is called `dead` only by a code that says so for a refresh; no outage, rate limit, unknown code or trouble with
 * the app's own credentials can do it, whatever else the answer says.
 *
 * Codes: Concur's docs, Authentication, "Response codes"; errors: RFC 6749 section 5.2.
 */
import type { ConcurFailure } from './ports.ts';

/** What was asked of Concur: the same code says different things about each. */
export type ConcurGrant = 'exchange' | 'refresh' | 'revoke' | 'client-credentials';

export type Outcome =
  /** Service trouble or something nobody understands: try again. */
  | 'transient'
  /** The company is being maintained: try again after a long pause. */
  | 'maintenance'
  /** Disabled or locked at the customer: may come back without a new Connect. */
  | 'suspended'
  /** The grant is of no use any more: only a new Connect helps. */
  | 'dead'
  /** The app's own credentials are refused: hits every connection alike. */
  | 'app-blocked'
  /** Configuration or a request that Concur does not accept: the app's fault or ours, never the connection's. */
  | 'malformed'
  /** The request may have been carried out, but no answer came: a late one may carry the only live token. */
  | 'uncertain'
  /** A revoke found that there is nothing left to revoke. */
  | 'revoked';

export interface Verdict {
  readonly outcome: Outcome;
  /** Whom the trouble belongs to: this connection, everything of the app, or Concur (and the way to it). */
  readonly scope: 'connection' | 'app' | 'service';
  /** Stable word for the audit trail and `last_error.code`. */
  readonly reason: string;
  /** Concur asked not to be called for this long (`Retry-After`); null when it did not. */
  readonly pauseMs: number | null;
  /** No fast tries: Concur asks for five minutes after a time-out or a 503, and for a long pause after a 134. */
  readonly slow: boolean;
  /** Counts as death only when an answer of the same kind, at least this much later, agrees; null: at once. */
  readonly confirmAfterMs: number | null;
  /** An operator has to look, now. */
  readonly alarm: boolean;
  /**
   * The request was sent, Concur may have carried it out, and what came back does not tell: no answer, one of a gateway
   * (5xx), a 2xx that nobody can read. Under strict rotation the token that was sent may be dead since.
   */
  readonly mayHaveRotated: boolean;
  readonly concurCode: number | null;
}

/** What a row of the table says; the rest of the verdict comes from the answer itself. */
type Ruling = Omit<Verdict, 'pauseMs' | 'concurCode' | 'mayHaveRotated'>;

const HOUR_MS = 60 * 60 * 1_000;

function ruling(
  outcome: Outcome,
  scope: Verdict['scope'],
  reason: string,
  more: Partial<Pick<Ruling, 'slow' | 'confirmAfterMs' | 'alarm'>> = {},
): Ruling {
  return { outcome, scope, reason, slow: false, confirmAfterMs: null, alarm: false, ...more };
}

const ALARM = { slow: true, alarm: true } as const;

const badRefreshToken = ruling('dead', 'connection', 'bad-refresh-token');
const badRequestToken = ruling('dead', 'connection', 'request-token-rejected');
const principalUnknown = ruling('dead', 'connection', 'principal-unknown');
/** May come from a data centre that is stale after a move, so one answer is not proof. */
const principalUnknownAtFirst = ruling('dead', 'connection', 'principal-unknown', { confirmAfterMs: HOUR_MS });
const principalDisabled = ruling('suspended', 'connection', 'principal-disabled');
const appDisabledByCustomer = ruling('suspended', 'connection', 'app-disabled-by-customer');
const companyMaintenance = ruling('maintenance', 'connection', 'company-maintenance', { slow: true });
const clientDisabled = ruling('app-blocked', 'app', 'client-disabled', ALARM);
const clientUnknown = ruling('app-blocked', 'app', 'client-unknown', ALARM);
const clientSecretWrong = ruling('app-blocked', 'app', 'client-secret-wrong', ALARM);
const clientRefused = ruling('app-blocked', 'app', 'client-refused', ALARM);
const requestRefused = ruling('malformed', 'app', 'request-refused', ALARM);
/** A code that only an exchange can earn came for a refresh: nothing that a customer did. */
const grantMisread = ruling('malformed', 'connection', 'grant-misread', ALARM);
/** Concur no longer takes the access token: gone, or something else is wrong. A refresh tells. */
const revokeUnverified = ruling('transient', 'connection', 'revoke-unverified');
const nothingToRevoke = ruling('revoked', 'connection', 'revoked');
const movedElsewhere = ruling('transient', 'connection', 'moved-elsewhere', ALARM);
const movedToForeign = ruling('transient', 'connection', 'foreign-geolocation', ALARM);
const grantRefused = ruling('suspended', 'connection', 'grant-refused', { alarm: true });
/** Its end has passed, and Concur refuses it: an hour later the same, and it was no mishap. */
const grantOver = ruling('dead', 'connection', 'grant-expired', { confirmAfterMs: HOUR_MS });
const denied = ruling('suspended', 'connection', 'denied');
const rateLimited = ruling('transient', 'service', 'rate-limited');
const unavailable = ruling('transient', 'service', 'provider-unavailable');
const timedOut = ruling('transient', 'service', 'provider-timeout', { slow: true });
const answerMalformed = ruling('transient', 'service', 'answer-malformed', { slow: true });
const answerUnknown = ruling('transient', 'service', 'answer-unknown');

type Row = Readonly<Record<ConcurGrant, Ruling>>;

/** The same for every grant. */
function always(every: Ruling): Row {
  return { exchange: every, refresh: every, revoke: every, 'client-credentials': every };
}

/** Codes about the grant of an exchange: a refresh that earns one is our own or the app's trouble. */
const requestTokenRow: Row = {
  exchange: badRequestToken,
  refresh: grantMisread,
  revoke: revokeUnverified,
  'client-credentials': requestRefused,
};
const refreshTokenRow: Row = {
  exchange: badRequestToken,
  refresh: badRefreshToken,
  revoke: nothingToRevoke,
  'client-credentials': requestRefused,
};
const principalUnknownRow: Row = {
  exchange: principalUnknown,
  refresh: principalUnknownAtFirst,
  revoke: revokeUnverified,
  'client-credentials': requestRefused,
};

const byCode: ReadonlyMap<number, Row> = new Map([
  [5, requestTokenRow],
  [10, always(principalDisabled)],
  [11, always(principalDisabled)],
  [12, always(principalDisabled)],
  [13, always(principalDisabled)],
  [14, always(principalDisabled)],
  // Followed inside the client; here it could not be.
  [16, always(movedElsewhere)],
  [19, requestTokenRow],
  [20, always(principalDisabled)],
  [51, always(requestRefused)],
  [52, always(requestRefused)],
  [53, always(appDisabledByCustomer)],
  [54, always(requestRefused)],
  [55, principalUnknownRow],
  [59, always(clientDisabled)],
  [60, requestTokenRow],
  [61, always(clientUnknown)],
  [62, always(requestRefused)],
  [63, always(requestRefused)],
  [64, always(clientSecretWrong)],
  [65, always(requestRefused)],
  [100, principalUnknownRow],
  [101, always(requestRefused)],
  [102, always(requestRefused)],
  [105, requestTokenRow],
  [106, always(requestRefused)],
  [107, always(requestRefused)],
  [108, refreshTokenRow],
  [109, always(requestRefused)],
  [115, always(requestRefused)],
  [120, always(requestRefused)],
  [121, always(requestRefused)],
  [123, always(principalDisabled)],
  [124, always(requestRefused)],
  [134, always(companyMaintenance)],
  [135, always(requestRefused)],
  [136, requestTokenRow],
]);

/**
 * RFC 6749 section 5.2, for answers without any code of Concur. `invalid_grant` covers at Concur the locked
 * account as well as the dead token, so alone it is no proof against a living connection.
 */
const byOAuthError: ReadonlyMap<string, Row> = new Map([
  [
    'invalid_grant',
    {
      exchange: badRequestToken,
      refresh: grantRefused,
      revoke: revokeUnverified,
      'client-credentials': requestRefused,
    },
  ],
  ['invalid_client', always(clientRefused)],
  ['invalid_request', always(requestRefused)],
  ['invalid_scope', always(requestRefused)],
  ['unauthorized_client', always(requestRefused)],
  ['unsupported_grant_type', always(requestRefused)],
]);

/**
 * Words that stand where Concur has no codes: the migration's (Concur's docs, Migration), and the `Error` element of the
 * flow of before 2017. That element has no code at all, so it fails a connect, which can be tried again, and never ends
 * a living grant; one whose end has passed is another matter.
 */
const byProviderCode: ReadonlyMap<string, Row> = new Map([
  ['INVALIDTOKEN', requestTokenRow],
  ['INVALIDAPP', always(requestRefused)],
  ['INVALIDSCOPES', always(requestRefused)],
  ['UNAUTHORIZED', always(clientRefused)],
  [
    'LEGACY_ERROR',
    {
      exchange: badRequestToken,
      refresh: grantRefused,
      revoke: revokeUnverified,
      'client-credentials': requestRefused,
    },
  ],
]);

const deniedRow: Row = {
  exchange: denied,
  refresh: denied,
  revoke: revokeUnverified,
  'client-credentials': clientRefused,
};

const byStatus: ReadonlyMap<number, Row> = new Map([
  [401, deniedRow],
  [403, deniedRow],
  [404, { ...always(answerUnknown), revoke: revokeUnverified }],
  [408, always(timedOut)],
  [429, always(rateLimited)],
  [503, always({ ...unavailable, slow: true })],
  // A gateway's own time-out is one for us too.
  [504, always(timedOut)],
]);

/** Whether this is the `Error` element of the flow of before 2017, which has no code and may mean anything. */
export function isLegacyError(failure: ConcurFailure): boolean {
  return failure.kind === 'answer' && failure.providerCode === 'LEGACY_ERROR' && failure.concurCode === null;
}

/**
 * What `failure`, in answer to a request of kind `grant`, says about the connection it was made for. `isGrantOver`: the end
 * that Concur itself gave a grant of the flow of before 2017 has passed.
 */
export function judge(
  grant: ConcurGrant,
  failure: ConcurFailure,
  { isGrantOver = false }: { readonly isGrantOver?: boolean } = {},
): Verdict {
  const changesTokens = grant === 'exchange' || grant === 'refresh';
  const nothingSaid = { pauseMs: null, concurCode: null };
  if (failure.kind === 'malformed') return { ...answerMalformed, ...nothingSaid, mayHaveRotated: changesTokens };
  if (failure.kind === 'transport') {
    const mayHaveRotated = failure.sent && changesTokens;
    return { ...rulingOfTransport(failure, mayHaveRotated), ...nothingSaid, mayHaveRotated };
  }
  const { status, concurCode, retryAfterMs } = failure;
  const words = rulingOfWords(grant, failure);
  const told = isGrantOver && words === grantRefused && isLegacyError(failure) ? grantOver : words;
  const said = told ?? rulingOfStatus(grant, status);
  return {
    ...said,
    // "Slow down" with a time is obeyed by the time; without one, by leaving out the fast tries.
    slow: said.slow || (status === 429 && retryAfterMs === null),
    pauseMs: retryAfterMs,
    concurCode,
    mayHaveRotated: told === null && changesTokens && isSilent(status),
  };
}

/** What Concur's code, or else the OAuth error, says. Null: neither says anything that can be believed. */
function rulingOfWords(grant: ConcurGrant, failure: ConcurFailure & { kind: 'answer' }): Ruling | null {
  const { concurCode, oauthError, providerCode, status, geolocation } = failure;
  if (concurCode === 16 && geolocation === 'foreign') return movedToForeign;
  const coded = concurCode === null ? undefined : byCode.get(concurCode)?.[grant];
  // A server that is in trouble proves nothing about a grant, whatever code it sends along.
  if (coded !== undefined && !(isFinal(coded) && isServiceTrouble(status))) return coded;
  const worded =
    concurCode === null && providerCode !== undefined ? byProviderCode.get(providerCode)?.[grant] : undefined;
  if (worded !== undefined && !isServiceTrouble(status)) return worded;
  // A code that nobody knows makes its `error` unknown as well.
  const named = concurCode === null && oauthError !== null ? byOAuthError.get(oauthError)?.[grant] : undefined;
  return named !== undefined && !isServiceTrouble(status) ? named : null;
}

function rulingOfStatus(grant: ConcurGrant, status: number): Ruling {
  return byStatus.get(status)?.[grant] ?? (status >= 500 ? unavailable : answerUnknown);
}

/** What changes something at Concur when it is carried out is uncertain then; the rest can simply be repeated. */
function rulingOfTransport({ transport }: ConcurFailure & { kind: 'transport' }, mayHaveRotated: boolean): Ruling {
  const trouble = transport === 'timeout' ? timedOut : unavailable;
  return mayHaveRotated ? { ...trouble, outcome: 'uncertain' } : trouble;
}

/** A status that does not tell whether the request was carried out: a gateway's, or that of a success without tokens. */
function isSilent(status: number): boolean {
  return status === 408 || status >= 500 || (status >= 200 && status < 300);
}

function isFinal({ outcome }: Ruling): boolean {
  return outcome === 'dead' || outcome === 'revoked';
}

function isServiceTrouble(status: number): boolean {
  return status === 429 || status >= 500;
}
