/**
 * The guardian of one app: a thin Temporal shell around the guardian's loop of the core. It is there while SAP Concur
 * refuses the app's credentials, and while connections that waited for that, or for the brake, are brought back.
 */
import {
  ActivityFailure,
  CancellationScope,
  condition,
  log,
  makeContinueAsNewFunc,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { createGuardianInbox, guardApp, type GuardianHost, type GuardianStatus } from '../core/app-guardian.ts';
import { type GuardianInput, guardianStatusQuery, probeSignal, releaseSignal } from './contract.ts';
import { buildGuardianDetails } from './operator-view.ts';
import { callOptions, guardActivities, probeActivities, restoreActivities } from './proxies.ts';

const MOST_EVENTS = 2_000;
const MAX_TEXT = 256;

export async function appGuardian(input: GuardianInput): Promise<{ readonly restored: number }> {
  const { app, carried } = input;
  const inbox = createGuardianInbox();
  let status: GuardianStatus | null = null;
  const current = (): GuardianStatus | null => status;

  setHandler(guardianStatusQuery, () => status, { description: 'What is blocked, and who waits.' });
  setHandler(probeSignal, () => inbox.probe(), {
    description: "Find out at once whether the app's credentials work. No input needed.",
  });
  setHandler(
    releaseSignal,
    (given) => inbox.release({ actor: textOf(given?.actor) ?? 'operator', reason: textOf(given?.reason) }),
    { description: 'Take the brake off, and try the connections that it held. No input needed.' },
  );

  // *Cancel* in the UI would leave the connections waiting: the guardian ends when there is nothing to guard.
  const end = await CancellationScope.nonCancellable(() => guardApp(createHost(), inbox, { app, carried }));
  if (end !== 'ended') await continueGuard({ app, carried: { schema: 1, ...end } });
  return { restored: current()?.restored ?? 0 };

  function createHost(): GuardianHost {
    return {
      now: () => Date.now(),
      look: () =>
        guardActivities.lookAfterApp.executeWithOptions({ summary: 'look who waits, and for what' }, [{ app }]),
      probe: (dataCentre) =>
        probeActivities.probeApp.executeWithOptions(
          callOptions({ dataCentre, urgent: true, summary: `probe the credentials in ${dataCentre}` }),
          [{ app, dataCentre }],
        ),
      restore: (order) =>
        restoreActivities.restoreConnections.executeWithOptions(
          { summary: `tell the connections in ${order.dataCentre} that waited` },
          [{ app, ...order }],
        ),
      releaseBrake: (asked) =>
        guardActivities.releaseBrake.executeWithOptions({ summary: 'take the brake off' }, [{ app, ...asked }]),
      sleep: async (untilMs, arrivals) => {
        const isWoken = (): boolean => inbox.arrivals() > arrivals;
        if (untilMs === null) await condition(isWoken);
        else await condition(isWoken, Math.max(1, untilMs - Date.now()), { summary: 'next probe, or next look' });
      },
      publish(news) {
        status = news;
        setCurrentDetails(buildGuardianDetails(news));
      },
      callFailed(error) {
        if (!(error instanceof ActivityFailure)) throw error;
        log.warn('a call of the guardian broke down', { type: error.activityType, retryState: error.retryState });
      },
      wantsNewRun() {
        const { continueAsNewSuggested, historyLength } = workflowInfo();
        return continueAsNewSuggested || historyLength >= MOST_EVENTS;
      },
    };
  }
}

async function continueGuard(input: GuardianInput): Promise<never> {
  return await makeContinueAsNewFunc<typeof appGuardian>()(input);
}

/** Input from operators comes as anything. */
function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value.slice(0, MAX_TEXT) : null;
}
