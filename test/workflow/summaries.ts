import type { History } from '../replay/recorded-histories.ts';

/** What in a history an operator reads without a word of explanation: activities and timers that have no summary. */
export function withoutSummary({ events }: History): readonly string[] {
  return (events ?? []).flatMap(({ activityTaskScheduledEventAttributes: activity, ...event }) => {
    const isTimer = event.timerStartedEventAttributes != null;
    if (activity == null && !isTimer) return [];
    const summary = event.userMetadata?.summary?.data;
    return summary == null || summary.length === 0 ? [activity?.activityType?.name ?? 'timer'] : [];
  });
}
