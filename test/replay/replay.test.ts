import { defaultPayloadConverter } from '@temporalio/common';
import { Worker, type WorkflowBundleOption } from '@temporalio/worker';
import { beforeAll, describe, expect, it } from 'vitest';
import { TRACE_HEADER } from '../../core/trace-context.ts';
import { compiledWorkflowBundle } from '../rig/compiled-product.ts';
import { quietTemporal } from '../rig/quiet-temporal.ts';
import { type History, readHistories, type RecordedHistory } from './recorded-histories.ts';

quietTemporal();

let bundle: WorkflowBundleOption;
let recorded: readonly RecordedHistory[];

beforeAll(async () => {
  [bundle, recorded] = await Promise.all([compiledWorkflowBundle(), readHistories()]);
});

async function replay(histories: readonly { workflowId: string; history: History }[]): Promise<Map<string, unknown>> {
  const errors = new Map<string, unknown>();
  let index = 0;
  // A worker has it whether it traces or not, and hears nothing of what is replayed.
  const fn = () => void errors.set('told', new Error('a replayed message was told of again'));
  const sinks = { traces: { handled: { fn, callDuringReplay: false } } };
  for await (const { error } of Worker.runReplayHistories({ workflowBundle: bundle, sinks }, histories)) {
    errors.set(String(index), error);
    index += 1;
  }
  return errors;
}

/** As it would be if every message had come with a trace. Counts them. */
function traced(history: History): { readonly history: History; readonly messages: number } {
  const copy = structuredClone(history);
  const traceparent = `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01`;
  const header = { fields: { [TRACE_HEADER]: defaultPayloadConverter.toPayload({ traceparent }) } };
  let messages = 0;
  for (const event of copy.events ?? []) {
    const places = [
      event.workflowExecutionStartedEventAttributes,
      event.workflowExecutionSignaledEventAttributes,
      event.workflowExecutionUpdateAcceptedEventAttributes?.acceptedRequest?.input,
    ];
    for (const place of places) {
      if (place == null) continue;
      place.header = header;
      messages += 1;
    }
  }
  return { history: copy, messages };
}

describe('every recorded history', () => {
  it('covers connect, rotation, each kind of trouble, continue-as-new, revoke and reconnect', () => {
    expect(recorded.length).toBeGreaterThan(20);
    const names = recorded.map(({ name }) => name).join('\n');
    for (const path of [
      'exchanges-the-request-token',
      'ends-with-connect-failed',
      'refreshes-a-warm-connection',
      'alive-for-a-year',
      'tries-fast-then-slowly',
      'disabled-the-app',
      'blocked-not-dead',
      'brings-the-connection-back',
      'starts-a-new-run-about-daily',
      'noticed-at-the-next-refresh',
      'can-connect-again',
      'pauses-and-resumes',
      'reads-a-cancel',
      'revokes-at-concur',
    ]) {
      expect(names).toContain(path);
    }
  });

  it('replays on the present workflow code', async () => {
    const errors = await replay(recorded);
    expect(errors.size).toBe(recorded.length);
    for (const [index, error] of errors) expect(error, recorded[Number(index)]?.name).toBeUndefined();
  });

  it('replays as if every message had come with a trace, and as if none had', async () => {
    const withTraces = recorded.map(({ workflowId, history }) => ({ workflowId, ...traced(history) }));
    expect(withTraces.reduce((sum, { messages }) => sum + messages, 0)).toBeGreaterThan(2 * recorded.length);
    for (const [index, error] of await replay(withTraces)) expect(error, recorded[Number(index)]?.name).toBeUndefined();
  });

  it('would be found out if it did not: a history with another activity in it fails', async () => {
    const [first] = recorded;
    if (first === undefined) throw new Error('there are no recorded histories');
    const mutated = structuredClone(first.history);
    const scheduled = mutated.events?.find(
      ({ activityTaskScheduledEventAttributes: attributes }) => attributes != null,
    );
    const type = scheduled?.activityTaskScheduledEventAttributes?.activityType;
    if (type == null) throw new Error('the history has no activity');
    type.name = 'somethingElse';
    const errors = await replay([{ workflowId: first.workflowId, history: mutated }]);
    expect([...errors.values()]).toEqual([expect.objectContaining({ name: 'DeterminismViolationError' })]);
  });
});
