import { AppError } from '../core/errors.ts';

/** Builds an opaque cursor from the sort key of the last row of a page. */
export function buildCursor(...parts: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(parts)).toString('base64url');
}

/** The sort key in a cursor. Throws `bad-request` for anything that `buildCursor` did not make with these types. */
export function parseCursor<const T extends readonly ('string' | 'number')[]>(cursor: string, shape: T): CursorKey<T> {
  const parts = parseParts(cursor);
  if (!isShaped(parts, shape)) throw new AppError('bad-request', 'cursor: not one that this API gave out');
  return parts;
}

type CursorKey<T extends readonly ('string' | 'number')[]> = {
  readonly [K in keyof T]: T[K] extends 'string' ? string : number;
};

function isShaped<const T extends readonly ('string' | 'number')[]>(parts: unknown, shape: T): parts is CursorKey<T> {
  if (!Array.isArray(parts) || parts.length !== shape.length) return false;
  return shape.every((type, index) => (type === 'string' ? isWord(parts[index]) : isCount(parts[index])));
}

/** Ids and principals; nothing that PostgreSQL could refuse as text. */
function isWord(value: unknown): boolean {
  return typeof value === 'string' && /^[\x21-\x7e]{1,200}$/.test(value);
}

/** Ids that count up and times: what a `Date` can hold. */
function isCount(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 8.64e15;
}

function parseParts(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    return null;
  }
}

/** Throws `bad-request` unless a page size is a whole number from 1 to 200. */
export function assertLimit(limit: number): void {
  if (!Number.isInteger(limit) || limit < 1 || limit > 200) throw new AppError('bad-request', 'limit: from 1 to 200');
}
