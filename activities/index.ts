/** All activities, made from their dependencies. The worker registers them; workflows know their types alone. */
import type { Carry } from '../core/lifeboat.ts';
import type { ActivityDeps, GuardDeps, ReconcileDeps, UnidentifiedDeps } from './deps.ts';
import { createExchangeActivities } from './exchange.ts';
import { withFailures } from './failure.ts';
import { createGuardActivities } from './guard.ts';
import { createReconcile } from './reconcile.ts';
import { createRecordActivities } from './record.ts';
import { createRefreshActivities } from './refresh.ts';
import { createRevokeActivities } from './revoke.ts';
import { createUnidentifiedActivities } from './unidentified.ts';

export function createActivities(deps: ActivityDeps) {
  const { loadConnection, applyCommand, saveTokens } = createRecordActivities(deps);
  const { refreshTokens } = createRefreshActivities(deps);
  const { exchangeRequestToken } = createExchangeActivities(deps);
  const { revokeConnection } = createRevokeActivities(deps);
  const { log } = deps;
  const calling = createCalling(deps);
  return {
    loadConnection: withFailures(log, 'loadConnection', loadConnection),
    applyCommand: withFailures(log, 'applyCommand', applyCommand),
    saveTokens: withFailures(log, 'saveTokens', saveTokens),
    refreshTokens: calling('refreshTokens', refreshTokens),
    exchangeRequestToken: calling('exchangeRequestToken', exchangeRequestToken),
    revokeConnection: calling('revokeConnection', revokeConnection),
  };
}

export type Activities = ReturnType<typeof createActivities>;

/** Of connects whose principal nobody knows yet. */
export function createIntakeActivities(deps: ActivityDeps & UnidentifiedDeps) {
  const { log } = deps;
  const { exchangeUnidentified, saveUnidentified, introduceConnect } = createUnidentifiedActivities(deps);
  return {
    exchangeUnidentified: createCalling(deps)('exchangeUnidentified', exchangeUnidentified),
    saveUnidentified: withFailures(log, 'saveUnidentified', saveUnidentified),
    introduceConnect: withFailures(log, 'introduceConnect', introduceConnect),
  };
}

export type IntakeActivities = ReturnType<typeof createIntakeActivities>;

/** Calls of Concur beat while they work, and what they have in hand is safe when they fail. */
function createCalling({ heartbeat, log }: Pick<ActivityDeps, 'heartbeat' | 'log'>) {
  return <Input, Output>(name: string, activity: (input: Input, carry: Carry) => Promise<Output>) =>
    withFailures(log, name, (input: Input, keep) =>
      heartbeat.whileBeating((beat) =>
        activity(input, (cargo) => {
          keep(cargo);
          beat(cargo);
        }),
      ),
    );
}

/** Apart from the others: it needs nothing of theirs, and they need no way to Temporal. */
export function createReconcileActivities(deps: ReconcileDeps) {
  return { reconcile: withFailures(deps.log, 'reconcile', createReconcile(deps)) };
}

export type ReconcileActivities = ReturnType<typeof createReconcileActivities>;

/** Those of the app guardian. */
export function createAppGuardianActivities(deps: GuardDeps) {
  const { log } = deps;
  const { lookAfterApp, probeApp, restoreConnections, releaseBrake } = createGuardActivities(deps);
  return {
    lookAfterApp: withFailures(log, 'lookAfterApp', lookAfterApp),
    probeApp: withFailures(log, 'probeApp', probeApp),
    restoreConnections: withFailures(log, 'restoreConnections', restoreConnections),
    releaseBrake: withFailures(log, 'releaseBrake', releaseBrake),
  };
}

export type AppGuardianActivities = ReturnType<typeof createAppGuardianActivities>;
