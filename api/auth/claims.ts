import type { JWTPayload } from 'jose';
import { AppError } from '../../core/errors.ts';
import type { VerifiedToken } from './caller.ts';

/** Reads the claims that grant something; what is missing grants nothing. Throws `unauthenticated` for malformed ones. */
export function parseClaims(payload: JWTPayload, clientId: string): VerifiedToken {
  const { exp, scope, app, principal } = payload;
  if (exp === undefined) throw malformed('exp');
  return {
    clientId,
    scopes: new Set(parseScope(scope)),
    apps: app === '*' ? '*' : parseWords('app', app),
    principals: principal === undefined ? null : parseWords('principal', principal).map((id) => id.toLowerCase()),
    expiresAtMs: exp * 1_000,
  };
}

/** One string with spaces (RFC 8693 section 4.2), or an array, as some providers have it. */
function parseScope(scope: unknown): readonly string[] {
  return parseWords('scope', scope).flatMap((words) => words.split(' ').filter((word) => word !== ''));
}

/** A string or an array of strings. */
function parseWords(name: string, value: unknown): readonly string[] {
  if (value === undefined) return [];
  const words: unknown[] = Array.isArray(value) ? value : [value];
  if (!words.every((word) => typeof word === 'string')) throw malformed(name);
  return words;
}

export function malformed(claim: string): AppError {
  return new AppError('unauthenticated', `The claim ${claim} is missing or malformed.`);
}
