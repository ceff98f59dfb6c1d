import { describe, expect, it } from 'vitest';
import { AppError, type ErrorCode, errorTable, isAppError } from '../../core/errors.ts';

/** Problem codes of the contract by HTTP status. */
const contract: Readonly<Record<number, readonly string[]>> = {
  400: ['bad-request'],
  401: ['unauthenticated'],
  403: ['forbidden'],
  404: ['not-found'],
  405: ['method-not-allowed'],
  406: ['not-acceptable'],
  409: [
    'conflict',
    'connection-pending',
    'reauthorization-required',
    'connection-revoked',
    'connection-suspended',
    'connection-paused',
    'request-token-rejected',
    'identity-mismatch',
    'connect-failed',
  ],
  410: ['session-expired'],
  413: ['payload-too-large'],
  415: ['unsupported-media-type'],
  422: ['verification-code-rejected'],
  429: ['rate-limited'],
  500: ['internal'],
  503: ['app-blocked', 'provider-unavailable', 'temporal-unavailable', 'database-unavailable'],
};
/** Ends a process before it serves anybody. */
const unseen: readonly string[] = ['configuration-invalid'];

describe('the table of errors', () => {
  it.each(
    Object.entries(contract).flatMap(([status, codes]) => codes.map((code) => ({ code, status: Number(status) }))),
  )('answers $code with $status', ({ code, status }) => expect(errorTable[code as ErrorCode].status).toBe(status));

  it('knows no code beyond those of the contract', () => {
    expect(Object.keys(errorTable).sort()).toEqual([...Object.values(contract).flat(), ...unseen].sort());
  });

  it('calls a dependency worth another try, and a mistake of the caller not, but for "too many"', () => {
    const facts = Object.entries(errorTable);
    const retryable = (kind: string) =>
      facts.filter(([, fact]) => fact.kind === kind && fact.retryable).map(([code]) => code);
    expect(retryable('dependency')).toEqual(contract[503]);
    expect(retryable('caller')).toEqual(['rate-limited']);
    expect(retryable('defect')).toEqual([]);
  });

  it('has a sentence for strangers and a hint for operators everywhere', () => {
    for (const { title, hint } of Object.values(errorTable)) {
      expect(title).toMatch(/^[A-Z].*\.$/);
      expect(hint).not.toBe('');
    }
  });
});

describe('an error', () => {
  it('keeps its cause and its details, and is told by its code', () => {
    const cause = new Error('deep down');
    const error = new AppError('conflict', 'changed meanwhile', { cause, details: { app: 'demo' }, retryAfterMs: 5 });
    expect(error).toMatchObject({
      name: 'AppError',
      code: 'conflict',
      cause,
      details: { app: 'demo' },
      retryAfterMs: 5,
    });
    expect(isAppError(error, 'conflict')).toBe(true);
    expect(isAppError(error, 'internal')).toBe(false);
    expect(isAppError({ code: 'conflict' })).toBe(false);
  });

  it('without options has no cause', () => {
    expect('cause' in new AppError('internal', 'x')).toBe(false);
  });
});
