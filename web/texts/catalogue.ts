/**
 * Every word that an administrator reads, once per language. The pages hold structure, this holds language;
 * the compiler sees to it that no language lacks a text.
 */

/** What a page says about one failure: what happened, and what to do now. */
export interface FailureText {
  readonly title: string;
  readonly body: string;
}

/** Failures with words of their own; every other code is shown as `other`. */
export const failureTopics = [
  'bad-link',
  'declined',
  'unknown-app',
  'foreign-browser',
  'foreign-sign-in',
  'not-signed-in',
  'sign-in-rejected',
  'sign-in-expired',
  'page-out-of-date',
  'session-used',
  'session-expired',
  'too-many-tries',
  'rate-limited',
  'lost-race',
  'request-token-rejected',
  'identity-mismatch',
  'provider-unavailable',
  'app-blocked',
  'not-found',
  'other',
] as const;
export type FailureTopic = (typeof failureTopics)[number];

/** What a Connect is about: a company, or, for an app of Concur's "apps for me", the user alone. */
export type Subject = 'company' | 'user';

export interface Texts {
  /** For `<html lang>`. */
  readonly lang: string;
  readonly errorTitlePrefix: string;
  readonly integrationNote: (brand: string) => string;
  readonly steps: {
    readonly label: string;
    readonly concur: string;
    readonly here: string;
    readonly done: string;
    /** Said by screen readers of a step that is behind. */
    readonly over: string;
  };
  readonly links: {
    readonly label: string;
    readonly support: string;
    readonly privacy: string;
    readonly terms: string;
    readonly contact: string;
  };
  readonly landing: {
    readonly title: (brand: string) => string;
    readonly lead: (brand: string, subject: Subject) => string;
    readonly nothingYet: string;
    readonly id: Readonly<Record<Subject, string>>;
  };
  readonly confirm: {
    readonly explain: (brand: string, subject: Subject) => string;
    readonly button: (brand: string) => string;
  };
  readonly code: {
    readonly explain: (brand: string, subject: Subject) => string;
    readonly label: string;
    readonly hint: string;
    readonly noCode: string;
    readonly contact: string;
    readonly button: string;
    readonly summary: string;
    readonly empty: string;
    readonly rejected: string;
  };
  readonly signIn: {
    readonly explain: (brand: string, subject: Subject) => string;
    readonly button: (brand: string) => string;
    readonly noAccount: string;
    readonly signUp: string;
  };
  /** The last page of mode sign-in. */
  readonly signedIn: {
    readonly question: (brand: string, subject: Subject) => string;
    readonly account: (brand: string) => string;
    readonly button: string;
    readonly notYours: Readonly<Record<Subject, string>>;
    readonly again: string;
    readonly backToSignIn: string;
  };
  readonly pending: {
    readonly title: string;
    readonly body: (brand: string, subject: Subject) => string;
    readonly slow: string;
    readonly stay: string;
    readonly lookAgain: string;
  };
  readonly connected: {
    readonly title: (brand: string) => string;
    readonly found: Readonly<Record<Subject, string>>;
    readonly unnamed: string;
    readonly nextSteps: string;
    readonly close: string;
    readonly notYours: Readonly<Record<Subject, string>>;
    readonly disconnect: (brand: string) => string;
    readonly disconnectInConcur: string;
  };
  readonly failed: {
    readonly heading: string;
    readonly tryAgain: string;
    readonly goOn: string;
    readonly reference: string;
  };
  readonly failures: Readonly<Record<FailureTopic, FailureText>>;
  readonly wrongParameters: string;
}
