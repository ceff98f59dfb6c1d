/**
 * The two requests of a migration: an application token, which is dropped at once, and the exchange itself. They share
 * one horizon.
 */
import type { ConcurIntake, ConcurResult, DataCentre, MigratedGrant, TokenCallOptions } from '../core/ports.ts';
import { type CallDependencies, call } from './call.ts';
import { fetchAppToken } from './client-credentials.ts';
import { createHorizon } from './horizon.ts';
import { buildMigrationRequest, processMigrationResponse } from './migration.ts';

type MigrationInput = Omit<Parameters<ConcurIntake['migrateLegacyToken']>[0], 'dataCentre'> & {
  readonly dataCentre: DataCentre;
};

/** `onSent` is called when the exchange itself is sent: nothing has happened to the grant before. */
export async function migrateLegacyToken(
  deps: CallDependencies,
  input: MigrationInput,
  options: TokenCallOptions,
): Promise<ConcurResult<MigratedGrant>> {
  const { credentials, dataCentre } = input;
  const horizon = createHorizon(deps.clock, options.horizonMs);
  const appToken = await fetchAppToken(deps, { credentials, dataCentre }, { horizonMs: options.horizonMs });
  if (!appToken.ok) return { ...appToken, failure: asUnsent(appToken.failure) };
  const request = buildMigrationRequest({
    ...input,
    baseUri: dataCentre.baseUri,
    clientSecret: credentials.clientSecret,
    appToken: appToken.value,
  });
  return await call(
    deps,
    { endpoint: 'migration', dataCentre, request, process: processMigrationResponse },
    {
      horizonMs: horizon.leftMs(),
      onSent() {
        horizon.assertInTime();
        options.onSent?.();
      },
    },
  );
}

type Failure = Extract<ConcurResult<never>, { ok: false }>['failure'];

/** However far the question for the application token came, the grant has not been touched. */
function asUnsent(failure: Failure): Failure {
  return failure.kind === 'transport' ? { ...failure, sent: false } : failure;
}
