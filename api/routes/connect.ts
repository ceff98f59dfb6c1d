/** What Concur's administrator sees: from the redirect behind the Connect button to the confirmation page. */
import { createArrivalLimit } from '../connect/arrival-limit.ts';
import { completeLanding } from '../connect/complete.ts';
import { findApp } from '../connect/find-app.ts';
import { findSession } from '../connect/find-session.ts';
import { assertOwnForm, readForm } from '../connect/form.ts';
import { showLanding } from '../connect/landing.ts';
import { openSession } from '../connect/open-session.ts';
import { createPoker } from '../connect/poker.ts';
import { showProgress } from '../connect/progress.ts';
import { refuseStrangersReturn, showReturn } from '../connect/return.ts';
import { createSessionCookies } from '../connect/session-cookie.ts';
import type { ApiDeps } from '../deps.ts';
import type { Route } from '../route.ts';

/** What these routes need of the API's parts. */
export type ConnectDeps = Pick<
  ApiDeps,
  | 'apps'
  | 'clock'
  | 'connections'
  | 'lifecycle'
  | 'log'
  | 'policy'
  | 'publicUrl'
  | 'requestTokenTtlMs'
  | 'rng'
  | 'sessions'
  | 'vault'
>;

export function createConnectRoutes(
  deps: ConnectDeps,
  { arrivals = createArrivalLimit(deps.clock) } = {},
): readonly Route[] {
  const cookies = createSessionCookies(deps.publicUrl);
  const poker = createPoker(deps);
  const arrive = [findApp(deps), openSession({ ...deps, cookies, arrivals })];
  const ownSession = [findApp(deps), findSession({ ...deps, cookies })];
  return [
    { method: 'get', path: '/connect/:app', steps: arrive },
    // As the Connect URI may be on file at SAP Concur.
    { method: 'get', path: '/connect/:app/', steps: arrive },
    { method: 'get', path: '/connect/:app/s/:sid', steps: [...ownSession, showLanding(deps)] },
    {
      method: 'post',
      path: '/connect/:app/s/:sid',
      steps: [...ownSession, readForm, assertOwnForm, completeLanding({ ...deps, poker })],
    },
    {
      method: 'get',
      path: '/connect/:app/s/:sid/return',
      steps: [
        findApp(deps),
        findSession({ ...deps, cookies, refuseStranger: refuseStrangersReturn(deps) }),
        showReturn(deps),
      ],
    },
    {
      method: 'get',
      path: '/connect/:app/s/:sid/progress',
      steps: [...ownSession, showProgress({ ...deps, poker })],
    },
  ];
}
