/** SAP Concur as the rest of Evergrant sees it: the operations of its wire, put together. */
import { randomUUID } from 'node:crypto';
import type { Clock, Concur, DataCentres, Http, Log, Rng } from '../core/ports.ts';
import { type CallDependencies, call, type ObservedCall } from './call.ts';
import { fetchAppToken } from './client-credentials.ts';
import { createConcurIntake } from './concur-intake.ts';
import { globalLandingZone } from './data-centres.ts';
import { buildExchangeRequest } from './exchange.ts';
import { callFollowing } from './follow.ts';
import { verifyIdToken } from './id-token.ts';
import { createKeySets } from './key-sets.ts';
import { buildProfileRequest, processProfileResponse } from './profile.ts';
import { buildRefreshRequest } from './refresh.ts';
import { buildRevokeRequest, processRevokeResponse } from './revoke.ts';

export interface ConcurSettings {
  readonly http: Http;
  readonly dataCentres: DataCentres;
  readonly clock: Clock;
  readonly log: Log;
  /** Makes the correlation ids that are sent along; they need no secrecy. */
  readonly rng?: Pick<Rng, 'uuid'>;
  /** Told of every call after it ended, for the metrics. */
  readonly onCall?: (call: ObservedCall) => void;
}

/** @throws `configuration-invalid` when the table of data centres has no global landing zone. */
export function createConcur(settings: ConcurSettings): Concur {
  const deps: CallDependencies = { rng: { uuid: randomUUID }, ...settings };
  const { dataCentres } = settings;
  const landingZone = dataCentres.byName(globalLandingZone);
  const keySets = createKeySets(deps);

  return {
    ...createConcurIntake(deps),

    async exchangeRequestToken(input, options) {
      return await callFollowing(deps, landingZone, (baseUri) => buildExchangeRequest({ ...input, baseUri }), options);
    },

    async refreshTokens(input, options) {
      const dataCentre = dataCentres.byName(input.dataCentre);
      return await callFollowing(deps, dataCentre, (baseUri) => buildRefreshRequest({ ...input, baseUri }), options);
    },

    async proveCredentials(input, options) {
      const dataCentre = dataCentres.byName(input.dataCentre);
      const result = await fetchAppToken(deps, { ...input, dataCentre }, options);
      return result.ok ? { ...result, value: null } : result;
    },

    async revokeConnection(input, options) {
      const dataCentre = dataCentres.byName(input.dataCentre);
      const request = buildRevokeRequest({ ...input, baseUri: dataCentre.baseUri });
      return await call(deps, { endpoint: 'revoke', dataCentre, request, process: processRevokeResponse }, options);
    },

    async fetchPrincipal(input, options) {
      const dataCentre = dataCentres.byName(input.dataCentre);
      const request = buildProfileRequest({ ...input, baseUri: dataCentre.baseUri });
      return await call(deps, { endpoint: 'profile', dataCentre, request, process: processProfileResponse }, options);
    },

    async verifyIdToken(input, options) {
      const dataCentre = dataCentres.byName(input.dataCentre);
      return await verifyIdToken(keySets, { ...input, dataCentre }, options);
    },
  };
}
