/** The ways to a grant that need no redirect of the App Center, and the flow of before 2017. */
import type { ConcurIntake } from '../core/ports.ts';
import { type CallDependencies, call } from './call.ts';
import { buildPasswordRequest } from './exchange-password.ts';
import { callFollowing } from './follow.ts';
import { unpackLegacyGrant } from './legacy-grant.ts';
import { buildLegacyRevokeRequest, processLegacyRevokeResponse } from './legacy-revoke.ts';
import { buildLegacyCodeRequest, buildLegacyRefreshRequest, processLegacyTokenResponse } from './legacy-token.ts';
import { migrateLegacyToken } from './migrate.ts';

export function createConcurIntake(deps: CallDependencies): ConcurIntake {
  const { dataCentres } = deps;

  return {
    async exchangePassword(input, options) {
      const dataCentre = dataCentres.byName(input.dataCentre);
      return await callFollowing(deps, dataCentre, (baseUri) => buildPasswordRequest({ ...input, baseUri }), options);
    },

    async exchangeLegacyCode(input, options) {
      const dataCentre = dataCentres.byName(input.dataCentre);
      return await call(
        deps,
        {
          endpoint: 'token',
          dataCentre,
          request: buildLegacyCodeRequest({ ...input, baseUri: dataCentre.baseUri }),
          process: (response, context) => processLegacyTokenResponse(response, context, null),
        },
        options,
      );
    },

    async refreshLegacyToken(input, options) {
      const dataCentre = dataCentres.byName(input.dataCentre);
      const grant = unpackLegacyGrant(input.grant);
      return await call(
        deps,
        {
          endpoint: 'token',
          dataCentre,
          request: buildLegacyRefreshRequest({ ...input, grant, baseUri: dataCentre.baseUri }),
          process: (response, context) => processLegacyTokenResponse(response, context, grant.refreshToken),
        },
        options,
      );
    },

    async revokeLegacyToken(input, options) {
      const dataCentre = dataCentres.byName(input.dataCentre);
      const request = buildLegacyRevokeRequest({ ...input, baseUri: dataCentre.baseUri });
      const process = processLegacyRevokeResponse;
      return await call(deps, { endpoint: 'revoke', dataCentre, request, process }, options);
    },

    async migrateLegacyToken(input, options) {
      return await migrateLegacyToken(deps, { ...input, dataCentre: dataCentres.byName(input.dataCentre) }, options);
    },
  };
}
