import { EvergrantError, type EvergrantErrorCode } from '../partner-service/evergrant-error.ts';

/** Why there is no newer token, in words for whoever looks after the ERP. */
export interface Trouble {
  readonly code: EvergrantErrorCode | 'file' | 'failed';
  readonly message: string;
  /** It does not pass by itself. */
  readonly isForPeople: boolean;
  readonly requestId: string | null;
  readonly listingUrl: string | null;
}

/** By code: what it means here. `null`: only time helps. */
const advice: Partial<Record<EvergrantErrorCode, string>> = {
  'reauthorization-required':
    'An administrator of the company has to press Connect again in the SAP Concur App Center.',
  'connection-revoked': 'The company is disconnected; an administrator may press Connect again.',
  'connection-paused': 'The partner has paused this connection; ask there.',
  'not-found': 'Evergrant knows no such connection: check EVERGRANT_APP and EVERGRANT_PRINCIPAL.',
  unauthenticated:
    "Evergrant doesn't accept this client: its token has expired or was revoked; ask the partner for a new one.",
  forbidden: 'This client may not read this token: it needs the scope tokens:read for this app and principal.',
};

/** Evergrant has said that nobody may use this connection's tokens now. */
const ended: ReadonlySet<Trouble['code']> = new Set([
  'reauthorization-required',
  'connection-revoked',
  'connection-paused',
  'connection-pending',
  'not-found',
]);

export function isEnded(trouble: Trouble | null): boolean {
  return trouble !== null && ended.has(trouble.code);
}

export function describeTrouble(error: unknown): Trouble {
  if (error instanceof EvergrantError) {
    const hint = advice[error.code];
    const { requestId, problem } = error;
    return {
      code: error.code,
      message: `${error.message}${hint === undefined ? '' : ` ${hint}`}`,
      isForPeople: hint !== undefined,
      requestId,
      listingUrl: problem?.listing_url ?? null,
    };
  }
  const isFile = error instanceof Error && 'syscall' in error;
  const message = `${isFile ? 'A file is in the way' : 'Unexpected'}: ${error instanceof Error ? error.message : String(error)}.`;
  return { code: isFile ? 'file' : 'failed', message, isForPeople: true, requestId: null, listingUrl: null };
}
