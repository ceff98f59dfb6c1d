/** Heartbeats of an activity in mid-call, so that the server notices a dead worker within seconds. */
import { Context } from '@temporalio/activity';
import type { Heartbeat, Progress } from '../activities/deps.ts';
import type { Cargo } from '../core/lifeboat.ts';

const EVERY_MS = 5_000;

export const temporalHeartbeat: Heartbeat = {
  async whileBeating(work) {
    const context = Context.current();
    let cargo: Cargo | null = null;
    // The server keeps the details of the last beat alone.
    const beat = (): void => (cargo === null ? context.heartbeat() : context.heartbeat(cargo));
    const timer = setInterval(beat, EVERY_MS);
    try {
      return await work((carried) => {
        const isNews = cargo === null;
        cargo = carried;
        if (isNews) beat();
      });
    } finally {
      clearInterval(timer);
    }
  },
};

export const temporalProgress: Progress = {
  async whileBeating(work) {
    const context = Context.current();
    const details: unknown = context.info.heartbeatDetails;
    const notedBefore = typeof details === 'string' ? details : null;
    let noted = notedBefore;
    const timer = setInterval(() => context.heartbeat(noted), EVERY_MS);
    try {
      return await work({
        notedBefore,
        note(cursor) {
          noted = cursor;
          context.heartbeat(cursor);
        },
        signal: context.cancellationSignal,
      });
    } finally {
      clearInterval(timer);
    }
  },
};
