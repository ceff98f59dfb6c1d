/** The states of a connection and the codes of errors are the ones that the outside relies on, no more and no fewer. */
import { expectTypeOf } from 'vitest';
import type { ConnectionState } from '../../core/connection.ts';
import { type ErrorCode, errorTable } from '../../core/errors.ts';

expectTypeOf<ConnectionState>().toEqualTypeOf<
  | 'connecting'
  | 'active'
  | 'retrying'
  | 'suspended'
  | 'blocked'
  | 'paused'
  | 'revoking'
  | 'reauthorization-required'
  | 'revoked'
  | 'connect-failed'
>();

expectTypeOf(errorTable).toExtend<Readonly<Record<ErrorCode, { readonly status: number }>>>();
expectTypeOf<string>().not.toExtend<ErrorCode>();

/** Compiles as long as every state is met: a new one must be decided about. */
export function isReadable(state: ConnectionState): boolean {
  switch (state) {
    case 'active':
    case 'retrying':
    case 'suspended':
    case 'blocked':
      return true;
    case 'connecting':
    case 'paused':
    case 'revoking':
    case 'reauthorization-required':
    case 'revoked':
    case 'connect-failed':
      return false;
  }
}
