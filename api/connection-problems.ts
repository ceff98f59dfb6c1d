/** What a caller who wants a token is told about a connection that has none to give, by its state. */
import { AppError, type ErrorDetails } from '../core/errors.ts';
import type { TokenHolder } from '../core/stores.ts';

/** Asked of callers who came while something is on its way. */
const SOON_MS = 5_000;

export function problemOfState(connection: TokenHolder, listingUrl: string | null, nowMs: number): AppError {
  const { state, lastError } = connection;
  const details: ErrorDetails = { state, ...(listingUrl === null ? {} : { listing_url: listingUrl }) };
  const nextTryMs = Math.max(1_000, (connection.nextActionAtMs ?? nowMs + SOON_MS) - nowMs);
  switch (state) {
    case 'active':
      return new AppError('provider-unavailable', 'The token is being refreshed; try again in a moment.', {
        details,
        retryAfterMs: SOON_MS,
      });
    case 'retrying':
      return new AppError(
        'provider-unavailable',
        `SAP Concur gave no new token (${lastError?.code ?? 'no answer'}); tries go on.`,
        {
          details,
          retryAfterMs: nextTryMs,
        },
      );
    case 'blocked':
      return new AppError(
        'app-blocked',
        "SAP Concur refuses the application's own credentials; the partner has to mend them.",
        {
          details,
          retryAfterMs: nextTryMs,
        },
      );
    case 'suspended':
      return new AppError(
        'connection-suspended',
        'The app, the user or the company is disabled at the customer; tries go on.',
        { details },
      );
    case 'paused':
      return new AppError('connection-paused', 'The upkeep is paused; resume it to get tokens.', { details });
    case 'connecting':
      return new AppError('connection-pending', 'The request token is being exchanged; try again in a moment.', {
        details,
        retryAfterMs: SOON_MS,
      });
    case 'revoking':
    case 'revoked':
      return new AppError('connection-revoked', 'The connection was revoked; a new Connect starts it again.', {
        details,
      });
    case 'reauthorization-required':
      return new AppError('reauthorization-required', 'An administrator of the customer has to press Connect again.', {
        details,
      });
    case 'connect-failed':
      return new AppError('not-found', 'There is no such connection.');
  }
}
