/** Arguments as they are typed, parsed. Each throws what commander reports as wrong use. */
import { InvalidArgumentError } from 'commander';
import { connectionStates, type ConnectionState } from '../core/connection.ts';
import { parseDuration } from '../runtime/duration.ts';

export function parseApp(text: string): string {
  if (!/^[a-z0-9-]{1,40}$/.test(text)) throw new InvalidArgumentError('An app is 1 to 40 of a-z, 0-9 and "-".');
  return text;
}

/** A UUID in any case; kept in lower case. */
export function parsePrincipal(text: string): string {
  const principal = text.toLowerCase();
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(principal)) return principal;
  throw new InvalidArgumentError('A principal is a UUID.');
}

export function parseState(text: string): ConnectionState {
  const state = connectionStates.find((known) => known === text);
  if (state === undefined) throw new InvalidArgumentError(`A state is one of ${connectionStates.join(', ')}.`);
  return state;
}

export function parseLimit(text: string): number {
  const limit = Number(text);
  if (Number.isInteger(limit) && limit >= 1 && limit <= 200) return limit;
  throw new InvalidArgumentError('A page has 1 to 200 rows.');
}

/** Printable text of reasonable length: labels, references, reasons, names. */
export function parseText(text: string): string {
  if (/^[^\p{Cc}]{1,200}$/u.test(text)) return text;
  throw new InvalidArgumentError('1 to 200 printable characters.');
}

/** A duration such as `7d` in milliseconds, at least a second and at most `longestMs`. */
export function parseTtl(longestMs: number): (text: string) => number {
  return (text) => {
    const ttlMs = parseDuration(text);
    if (ttlMs !== null && ttlMs >= 1_000 && ttlMs <= longestMs) return ttlMs;
    throw new InvalidArgumentError(`A duration such as 12h or 7d, at most ${longestMs / 86_400_000}d.`);
  };
}

/** For an option that may be repeated: each value is parsed, all are kept. */
export function collect<T>(
  parse: (text: string) => T,
): (text: string, before: readonly T[] | undefined) => readonly T[] {
  return (text, before = []) => [...before, parse(text)];
}

/** Everything that a client of the API can be allowed. */
const scopes = [
  'connections:read',
  'connections:write',
  'connections:refresh',
  'connections:connect',
  'tokens:read',
  'codes:write',
];

export function parseScope(text: string): string {
  if (scopes.includes(text)) return text;
  throw new InvalidArgumentError(`A scope is one of ${scopes.join(', ')}.`);
}
