/** Heartbeats of an activity in mid-call, so that the server notices a dead worker within seconds. */
import { Context } from '@temporalio/activity';
import type { Heartbeat } from '../activities/deps.ts';

const EVERY_MS = 5_000;

export const temporalHeartbeat: Heartbeat = {
  async whileBeating(work) {
    const context = Context.current();
    const timer = setInterval(() => context.heartbeat(), EVERY_MS);
    try {
      return await work();
    } finally {
      clearInterval(timer);
    }
  },
};
