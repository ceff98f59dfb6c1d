/**
 * An error as it is logged: name, message, stack, code, causes, and the details that an `AppError` vouches for.
 *
 * Guarantees: other fields that a library hangs on its errors (a row's values, a request with its headers) are left
 * out, and what looks like a token is masked wherever it stands.
 */
import { isAppError } from '../core/errors.ts';

const MAX_CAUSES = 5;

/** JWTs and JWEs in compact form, and bearer credentials. */
const tokenLike = /\beyJ[\w-]{5,}(?:\.[\w-]*){2,4}|\b(?:Bearer|OAuth)\s+[\w.~+/=-]{8,}/g;

/** Text with everything that looks like a token masked. */
export function maskTokens(text: string): string {
  return text.replace(tokenLike, '[masked]');
}

export function buildErrorFields(error: unknown, depth = 0): Readonly<Record<string, unknown>> {
  if (!(error instanceof Error)) return { type: typeof error, message: maskTokens(String(error)) };
  const fields: Record<string, unknown> = { type: error.name, message: maskTokens(error.message) };
  if (isAppError(error)) {
    fields.code = error.code;
    if (Object.keys(error.details).length > 0) fields.details = error.details;
    if (error.retryAfterMs !== undefined) fields.retry_after_ms = error.retryAfterMs;
  } else if ('code' in error && (typeof error.code === 'string' || typeof error.code === 'number')) {
    fields.code = error.code;
  }
  if (error.stack !== undefined) fields.stack = maskTokens(error.stack);
  if (error.cause !== undefined && depth < MAX_CAUSES) fields.cause = buildErrorFields(error.cause, depth + 1);
  return fields;
}
