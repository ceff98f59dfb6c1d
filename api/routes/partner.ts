/** Everything that partner services ask for. */
import type { ApiDeps } from '../deps.ts';
import { createCommandRoutes } from '../partner/commands.ts';
import { createConnectionRoutes } from '../partner/connections.ts';
import { createConnectRoutes } from '../partner/connects.ts';
import { createConnectSessionRoutes } from '../partner/connect-sessions.ts';
import { createTokenRoutes } from '../partner/tokens.ts';
import { createVerificationCodeRoutes } from '../partner/verification-codes.ts';
import type { Route } from '../route.ts';
import { jwksResource } from '../schemas/resources.ts';

export function createPartnerRoutes(deps: ApiDeps): readonly Route[] {
  return [
    ...createConnectionRoutes(deps),
    ...createConnectRoutes(deps),
    ...createTokenRoutes(deps),
    ...createCommandRoutes(deps),
    ...createVerificationCodeRoutes(deps),
    ...createConnectSessionRoutes(deps),
    jwks(deps),
  ];
}

/** The public keys of the built-in issuer. */
function jwks({ issuerKeys }: ApiDeps): Route {
  return {
    method: 'get',
    path: '/.well-known/jwks.json',
    operation: {
      id: 'showKeys',
      summary: 'The public keys of the built-in issuer',
      answers: [{ status: 200, description: 'A JSON Web Key Set', body: jwksResource }],
    },
    steps: [
      async (ctx) => {
        ctx.set('cache-control', 'public, max-age=300');
        ctx.body = await issuerKeys.jwks();
      },
    ],
  };
}
