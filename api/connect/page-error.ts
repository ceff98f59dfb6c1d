/** Failures of the browser's routes: an error with a code like any other, and the words that its page uses. */
import { AppError, type ErrorCode } from '../../core/errors.ts';
import { type FailureTopic, failureTopics } from '../../web/texts/catalogue.ts';

const failures = {
  'bad-link': { code: 'bad-request', message: 'Missing, repeated or wrong in the address.' },
  declined: { code: 'bad-request', message: 'The request was declined at SAP Concur.' },
  'unknown-app': { code: 'not-found', message: 'There is no such application.' },
  'foreign-sign-in': {
    code: 'forbidden',
    message: 'The session belongs to another browser than the one that signed in.',
  },
  'foreign-browser': { code: 'forbidden', message: 'The session belongs to another browser.' },
  'page-out-of-date': { code: 'forbidden', message: 'The form was not sent from the present page.' },
  'session-used': { code: 'session-expired', message: 'The session has been completed already.' },
  'session-expired': { code: 'session-expired', message: 'The session is too old.' },
  'too-many-tries': { code: 'session-expired', message: 'Too many wrong codes.' },
  'rate-limited': { code: 'rate-limited', message: 'Too many wrong codes, or new sessions, from there.' },
  'not-signed-in': { code: 'forbidden', message: 'Nobody has signed in for this session.' },
  'sign-in-rejected': { code: 'forbidden', message: "The ticket is not the session's newest." },
  'sign-in-expired': { code: 'session-expired', message: 'The ticket is too old.' },
  'not-found': { code: 'not-found', message: 'There is no such page.' },
} as const satisfies Partial<Record<FailureTopic, { readonly code: ErrorCode; readonly message: string }>>;

export interface PageErrorOptions {
  /** Names of query parameters that are wrong. */
  readonly wrongParameters?: readonly string[];
  /** Path at which the administrator's visit goes on. */
  readonly goOn?: string;
  readonly retryAfterMs?: number;
}

/** An error whose page speaks of that topic. */
export function buildPageError(topic: keyof typeof failures, options: PageErrorOptions = {}): AppError {
  const { code, message } = failures[topic];
  const { wrongParameters, goOn, retryAfterMs } = options;
  return new AppError(code, message, {
    details: {
      topic,
      ...(wrongParameters === undefined ? {} : { fields: wrongParameters }),
      ...(goOn === undefined ? {} : { goOn }),
    },
    retryAfterMs,
  });
}

/** What a page says about each error that did not come with words of its own. */
const topicsByCode: Partial<Record<ErrorCode, FailureTopic>> = {
  'bad-request': 'bad-link',
  'not-found': 'not-found',
  'method-not-allowed': 'not-found',
  'payload-too-large': 'page-out-of-date',
  'unsupported-media-type': 'page-out-of-date',
  'session-expired': 'session-expired',
  'rate-limited': 'rate-limited',
};

/** The words for an error, whoever threw it. */
export function topicOf({ code, details }: AppError): FailureTopic {
  return failureTopics.find((topic) => topic === details.topic) ?? topicsByCode[code] ?? 'other';
}
