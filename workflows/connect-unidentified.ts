/**
 * A connect whose principal nobody knows beforehand: a user's own login, a code of the flow of before 2017, a migration.
 * Runs until it is known whose it is and that connection's own workflow has taken over, or until it has failed.
 */
import {
  ActivityFailure,
  log,
  makeContinueAsNewFunc,
  setCurrentDetails,
  sleep,
  uuid4,
  workflowInfo,
} from '@temporalio/workflow';
import type { UnidentifiedTrouble } from '../activities/unidentified.ts';
import { standstillPauseMs } from '../core/lifecycle.ts';
import { cargoOf } from './cargo-of.ts';
import type { UnidentifiedConnectInput, UnidentifiedConnectResult } from './contract.ts';
import { buildUnidentifiedDetails, type UnidentifiedNews } from './operator-view.ts';
import { callOptions, concurActivities, introductionActivities, recordActivities } from './proxies.ts';

export async function connectUnidentified(input: UnidentifiedConnectInput): Promise<UnidentifiedConnectResult> {
  const { app, sessionId, dataCentre } = input;
  // Minted once, so that a step that is done twice does not make two connections of one user.
  // uuid4 is deterministic and not cryptographically secure: the id names somebody and opens nothing.
  const mintedPrincipal = input.mintedPrincipal ?? uuid4();
  const summary = 'exchange, and whose tokens these are';
  const show = (news: UnidentifiedNews): void => setCurrentDetails(buildUnidentifiedDetails(input, news));
  show({ is: 'under-way' });
  for (let breakdowns = 0; ; ) {
    let untilMs: number;
    let trouble: UnidentifiedTrouble | undefined;
    try {
      const step = await concurActivities.exchangeUnidentified.executeWithOptions(
        callOptions({ dataCentre, urgent: true, summary }),
        [{ app, sessionId, mintedPrincipal }],
      );
      ({ trouble } = step);
      if (step.done) {
        const { principal } = step;
        if (principal !== null) {
          await introductionActivities.introduceConnect.executeWithOptions(
            { summary: 'hand over to the workflow of the connection' },
            [{ app, principal, sessionId }],
          );
        }
        show({ is: 'over', principal, trouble });
        return { principal };
      }
      breakdowns = 0;
      untilMs = step.nextTryAtMs;
    } catch (error) {
      // Anything but a failed activity is a bug of this workflow: let the task fail and be retried after a fix.
      if (!(error instanceof ActivityFailure)) throw error;
      log.warn('a call broke down without a verdict', { type: error.activityType, retryState: error.retryState });
      const cargo = cargoOf(error);
      if (cargo?.kind === 'unidentified')
        await recordActivities.saveUnidentified.executeWithOptions({ summary: 'save an answer from the lifeboat' }, [
          { app, cargo },
        ]);
      breakdowns += 1;
      untilMs = Date.now() + standstillPauseMs(breakdowns);
    }
    show({ is: 'waiting', untilMs, trouble });
    await sleep(Math.max(1, untilMs - Date.now()), { summary: 'until the next try' });
    // A migrated grant is tried for weeks.
    if (workflowInfo().continueAsNewSuggested) return await continueRun({ ...input, mintedPrincipal });
  }
}

async function continueRun(input: UnidentifiedConnectInput): Promise<never> {
  const { memo } = workflowInfo();
  return await makeContinueAsNewFunc<typeof connectUnidentified>(memo === undefined ? {} : { memo })(input);
}
