/** The routes of `/__sandbox` besides its commands, described. */
export const readingRoutes = [
  { method: 'GET', path: '/__sandbox', does: 'this description: HTML, or JSON with Accept: application/json' },
  { method: 'GET', path: '/__sandbox/state', does: 'what Concur has on file, secrets masked' },
  {
    method: 'GET',
    path: '/__sandbox/calls',
    does: 'the last calls; filters: endpoint, dataCentre, grantType, clientId, principalId, status, code, after',
  },
  { method: 'GET', path: '/__sandbox/issued-secrets', does: 'every secret ever given out, in clear' },
  { method: 'GET', path: '/__sandbox/faults', does: 'the faults that are on' },
  { method: 'POST', path: '/__sandbox/faults/{id}/release', does: 'lets go the calls that a hold keeps' },
  { method: 'DELETE', path: '/__sandbox/faults/{id}', does: 'switches a fault off' },
  { method: 'DELETE', path: '/__sandbox/faults', does: 'switches all faults off' },
] as const;
