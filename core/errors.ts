/**
 * Every way in which Evergrant can fail, in one table.
 *
 * An `AppError` carries a stable `code`; everything else about a failure (HTTP status, whether Temporal
 * should try again, what a stranger may read, what an operator should do) is looked up here and nowhere else.
 */

/** What sort of thing went wrong: the caller's mistake, a state of the world, a dependency, or our own bug. */
export type ErrorKind = 'caller' | 'state' | 'dependency' | 'defect';

interface ErrorFacts {
  readonly kind: ErrorKind;
  /** HTTP status of the problem answer. */
  readonly status: number;
  /** Whether trying the same thing again, unchanged, may help. */
  readonly retryable: boolean;
  /** RFC 9457 `title`: one sentence that a stranger may read. */
  readonly title: string;
  /** What an operator can do about it. */
  readonly hint: string;
}

const table = {
  'bad-request': {
    kind: 'caller',
    status: 400,
    retryable: false,
    title: 'The request is malformed.',
    hint: 'See the detail: it names every field that is wrong.',
  },
  unauthenticated: {
    kind: 'caller',
    status: 401,
    retryable: false,
    title: 'A valid bearer token is needed.',
    hint: 'Check issuer, audience, expiry and signature; `evergrant clients list` shows revoked clients.',
  },
  forbidden: {
    kind: 'caller',
    status: 403,
    retryable: false,
    title: 'This caller may not do that.',
    hint: "Compare the token's scope, app and principal claims with the route.",
  },
  'not-found': {
    kind: 'caller',
    status: 404,
    retryable: false,
    title: 'There is no such thing.',
    hint: 'Check the app and the principal.',
  },
  'method-not-allowed': {
    kind: 'caller',
    status: 405,
    retryable: false,
    title: 'This method is not allowed here.',
    hint: 'See the Allow header and /openapi.json.',
  },
  'not-acceptable': {
    kind: 'caller',
    status: 406,
    retryable: false,
    title: 'No representation satisfies the Accept header.',
    hint: 'Ask for application/json.',
  },
  conflict: {
    kind: 'state',
    status: 409,
    retryable: false,
    title: 'The request contradicts the present state.',
    hint: 'Read the resource again, then decide.',
  },
  'connection-pending': {
    kind: 'state',
    status: 409,
    retryable: true,
    title: 'The connection is still being made.',
    hint: 'Wait until its state is active.',
  },
  'reauthorization-required': {
    kind: 'state',
    status: 409,
    retryable: false,
    title: 'An administrator of the customer has to connect again.',
    hint: 'Send the customer to listing_url; the audit trail shows the evidence.',
  },
  'connection-revoked': {
    kind: 'state',
    status: 409,
    retryable: false,
    title: 'The connection was revoked.',
    hint: 'A new Connect by the customer starts it again.',
  },
  'connection-suspended': {
    kind: 'state',
    status: 409,
    retryable: true,
    title: 'The connection is suspended at the customer.',
    hint: 'The customer disabled or locked the app, the user or the company; Evergrant keeps trying.',
  },
  'connection-paused': {
    kind: 'state',
    status: 409,
    retryable: false,
    title: 'An operator paused the connection.',
    hint: '`evergrant connections resume APP PRINCIPAL`',
  },
  'request-token-rejected': {
    kind: 'state',
    status: 409,
    retryable: false,
    title: 'SAP Concur rejected the request token.',
    hint: 'It is used up, older than 24 hours, or made for another app: a new Connect is needed.',
  },
  'identity-mismatch': {
    kind: 'state',
    status: 409,
    retryable: false,
    title: 'The token belongs to another company than the one that asked.',
    hint: 'Treat repeated cases as an attack: see the audit trail.',
  },
  'connect-failed': {
    kind: 'state',
    status: 409,
    retryable: false,
    title: 'The connection could not be made.',
    hint: 'See reason and last_error of the connection.',
  },
  'session-expired': {
    kind: 'state',
    status: 410,
    retryable: false,
    title: 'This connect session is over.',
    hint: 'The administrator presses Connect again.',
  },
  'payload-too-large': {
    kind: 'caller',
    status: 413,
    retryable: false,
    title: 'The body is larger than 64 KiB.',
    hint: 'Send less.',
  },
  'unsupported-media-type': {
    kind: 'caller',
    status: 415,
    retryable: false,
    title: 'The body must be application/json.',
    hint: 'Set the content type.',
  },
  'verification-code-rejected': {
    kind: 'caller',
    status: 422,
    retryable: false,
    title: 'The verification code is wrong, used or expired.',
    hint: '`evergrant codes create APP` makes a new one.',
  },
  'rate-limited': {
    kind: 'caller',
    status: 429,
    retryable: true,
    title: 'Too many requests.',
    hint: 'Wait as long as retry-after says.',
  },
  internal: {
    kind: 'defect',
    status: 500,
    retryable: false,
    title: 'Something went wrong on our side.',
    hint: 'Find the request_id in the log: the entry there has the stack.',
  },
  'app-blocked': {
    kind: 'dependency',
    status: 503,
    retryable: true,
    title: "SAP Concur refuses the application's own credentials.",
    hint: '`evergrant apps secret-add APP` with a secret that works.',
  },
  'provider-unavailable': {
    kind: 'dependency',
    status: 503,
    retryable: true,
    title: 'SAP Concur cannot be reached or does not answer as it should.',
    hint: 'See status.concur.com and last_error; Evergrant keeps trying.',
  },
  'temporal-unavailable': {
    kind: 'dependency',
    status: 503,
    retryable: true,
    title: 'The workflow service is away.',
    hint: 'Check TEMPORAL_ADDRESS and the server; fresh tokens are still served.',
  },
  'database-unavailable': {
    kind: 'dependency',
    status: 503,
    retryable: true,
    title: 'The database is away.',
    hint: 'Check DATABASE_URL and the server.',
  },
  'configuration-invalid': {
    kind: 'caller',
    status: 500,
    retryable: false,
    title: 'The configuration is wrong.',
    hint: 'The message names every value that is wrong.',
  },
} as const satisfies Record<string, ErrorFacts>;

/** Stable name of a failure; the ones that reach HTTP are the problem codes of the API. */
export type ErrorCode = keyof typeof table;

/** The facts about each code; `docs/errors.md` and the problem projection are made from it. */
export const errorTable: Readonly<Record<ErrorCode, ErrorFacts>> = table;

/** Ids and numbers that may be logged and shown: never a secret, never free text from outside. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | null | readonly string[]>>;

/** The one error type that is thrown on purpose. Anything else that is thrown is a defect. */
export class AppError extends Error {
  override readonly name = 'AppError';
  readonly code: ErrorCode;
  readonly details: ErrorDetails;
  /** How long to wait before trying again, in milliseconds, where somebody knows. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; details?: ErrorDetails; retryAfterMs?: number | undefined } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** Whether a value is an {@link AppError}, optionally of one code. */
export function isAppError(value: unknown, code?: ErrorCode): value is AppError {
  return value instanceof AppError && (code === undefined || value.code === code);
}
