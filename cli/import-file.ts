/**
 * A file of refresh tokens to be imported: NDJSON, one connection a line, judged as a whole before anything is done with
 * the first of them.
 */
import { type ConnectOrder, readImport } from '../api/schemas/connects.ts';
import { isAppError } from '../core/errors.ts';
import type { DataCentres } from '../core/ports.ts';

export interface ImportRow {
  /** From 1. */
  readonly line: number;
  readonly principal: string;
  readonly order: ConnectOrder;
}

export interface InvalidLine {
  readonly line: number;
  /** What is wrong with it; quotes nothing of it. */
  readonly message: string;
}

export interface ImportFile {
  readonly rows: readonly ImportRow[];
  readonly invalid: readonly InvalidLine[];
}

/** What an export has besides: told for whoever reads it, and nothing to be imported. */
const passedOver: ReadonlySet<string> = new Set(['principal_type', 'scope', 'refresh_token_expires_at']);

export function parseImportFile(
  text: string,
  { app, dataCentres }: { readonly app: string; readonly dataCentres: Pick<DataCentres, 'match'> },
): ImportFile {
  const rows: ImportRow[] = [];
  const invalid: InvalidLine[] = [];
  const lineOf = new Map<string, number>();
  const lines = text.replace(/^\uFEFF/, '').split('\n');
  for (const [index, content] of lines.entries()) {
    if (content.trim() === '') continue;
    const line = index + 1;
    const parsed = parseLine(content, app);
    if (typeof parsed === 'string') {
      invalid.push({ line, message: parsed });
      continue;
    }
    const before = lineOf.get(parsed.principal);
    if (before !== undefined) {
      invalid.push({ line, message: `principal_id: the same as in line ${before}` });
    } else if (dataCentres.match(parsed.order.geolocation ?? '') === 'foreign') {
      invalid.push({ line, message: 'geolocation: must be the base URI of a known data centre' });
    } else {
      lineOf.set(parsed.principal, line);
      rows.push({ line, ...parsed });
    }
  }
  return { rows, invalid };
}

/** The connection, or what is wrong with the line. */
function parseLine(content: string, app: string): Omit<ImportRow, 'line'> | string {
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch {
    // The parser's message quotes the line, which holds a token.
    return 'is no well-formed JSON';
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'must be an object';
  if ('app' in value && value.app !== app) return 'app: is another one';
  try {
    const order = readImport(Object.fromEntries(Object.entries(value).filter(isMeant)));
    return order.principal === null ? 'principal_id: is missing' : { principal: order.principal, order };
  } catch (error) {
    if (isAppError(error, 'bad-request')) return error.message;
    throw error;
  }
}

function isMeant([name, value]: readonly [string, unknown]): boolean {
  if (name === 'app' || passedOver.has(name)) return false;
  return !(name === 'customer_ref' && value === null);
}
