/** What an operator sees of a connection in the Temporal UI: search attributes, current details, timer summaries. */
import { defineSearchAttributeKey, type SearchAttributeUpdatePair, SearchAttributeType } from '@temporalio/common';
import type { Connection, ConnectionSnapshot, ConnectionState } from '../core/connection.ts';
import { formatTime } from '../core/connection-resource.ts';
import type { GuardianStatus } from '../core/app-guardian.ts';
import { searchAttributes } from './contract.ts';

const DAY_MS = 86_400_000;

const keys = {
  state: defineSearchAttributeKey(searchAttributes.state, SearchAttributeType.KEYWORD),
  dataCentre: defineSearchAttributeKey(searchAttributes.dataCentre, SearchAttributeType.KEYWORD),
  app: defineSearchAttributeKey(searchAttributes.app, SearchAttributeType.KEYWORD),
  principal: defineSearchAttributeKey(searchAttributes.principal, SearchAttributeType.KEYWORD),
  customerRef: defineSearchAttributeKey(searchAttributes.customerRef, SearchAttributeType.KEYWORD),
  stateSince: defineSearchAttributeKey(searchAttributes.stateSince, SearchAttributeType.DATETIME),
};

/** The connection's search attributes; absent values are unset. */
export function buildSearchAttributes(connection: Connection): SearchAttributeUpdatePair[] {
  return [
    { key: keys.state, value: connection.state },
    { key: keys.dataCentre, value: connection.dataCentre },
    { key: keys.app, value: connection.app },
    { key: keys.principal, value: connection.principal },
    { key: keys.customerRef, value: connection.customerRef },
    { key: keys.stateSince, value: new Date(connection.stateSinceMs) },
  ];
}

/** Whether both say the same; an attribute that is unset may be null or missing. */
export function isSameAttributes(
  one: readonly SearchAttributeUpdatePair[],
  other: readonly SearchAttributeUpdatePair[],
): boolean {
  return canonical(one) === canonical(other);
}

function canonical(pairs: readonly SearchAttributeUpdatePair[]): string {
  const set = pairs.filter(({ value }) => value !== null).map(({ key, value }) => [key.name, value] as const);
  return JSON.stringify(set.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** What an operator can do about each state, in words. */
const advice: Record<ConnectionState, string> = {
  connecting: 'Nothing to do: the exchange is tried until the request token ends.',
  active: 'Nothing to do. Signals: `refresh`, `pause`, `revoke`.',
  retrying: 'Nothing to do yet: tries go on by themselves. Signal `refresh` tries at once.',
  suspended: 'The customer has to enable the app, the user or the company again. Signal `refresh` tries at once.',
  blocked: "SAP Concur refuses the app's own credentials: `evergrant apps secret-add`. Signal `refresh` tries at once.",
  paused: 'Signal `resume` to go on.',
  revoking: 'Nothing to do: the revoke is tried until SAP Concur confirms it.',
  'reauthorization-required': 'An administrator of the customer has to press Connect again in the App Center.',
  revoked: 'Over. A new Connect starts it again.',
  'connect-failed': 'Over. The administrator can press Connect again.',
};

/** Current details as Markdown: state, deadlines, last error, and what can be done now. They stay until the next change. */
export function buildDetails(
  { connection, upkeep, listingUrl }: ConnectionSnapshot,
  { generation, nowMs }: { readonly generation: number; readonly nowMs: number },
): string {
  const { lastError, company } = connection;
  const rows = [
    ['Company', company === null ? 'not known' : [company.name, company.domain].filter(Boolean).join(', ')],
    ['State', `**${connection.state}** since ${formatTime(connection.stateSinceMs)}`],
    ['Reason', connection.reason],
    ['Data centre', connection.dataCentre],
    ['Upkeep', upkeep],
    ['Next action', formatTime(connection.nextActionAtMs)],
    ['Access token until', formatTime(connection.accessTokenExpiresAtMs)],
    ['Refresh token until', formatEnd(connection.refreshTokenExpiresAtMs, nowMs)],
    ['Version', `${connection.version} (run ${generation + 1})`],
    ['Customer', connection.customerRef],
    ['Listing', connection.state === 'reauthorization-required' ? listingUrl : null],
    [
      'Last error',
      lastError === null
        ? null
        : `${lastError.code}, Concur code ${lastError.concurCode ?? 'none'}, at ${formatTime(lastError.atMs)}, correlation id ${lastError.correlationId ?? 'none'}`,
    ],
  ] as const;
  const known = rows.filter(([, value]) => value !== null && value !== '');
  return [...known.map(([name, value]) => `- ${name}: ${value}`), '', advice[connection.state]].join('\n');
}

/** With the days that were left when it was written, which may be weeks ago. */
function formatEnd(endsAtMs: number | null, nowMs: number): string | null {
  if (endsAtMs === null) return null;
  const days = Math.floor((endsAtMs - nowMs) / DAY_MS);
  return `${formatTime(endsAtMs)}, ${days} days from ${new Date(nowMs).toISOString().slice(0, 10)}`;
}

/** Why the workflow sleeps, for the timer in its history. */
export function buildTimerSummary({ connection, upkeep }: ConnectionSnapshot): string {
  switch (connection.state) {
    case 'active':
      return upkeep === 'warm' ? 'next refresh, ahead of expiry' : 'next keep-alive';
    case 'retrying':
      return `next try, after ${connection.failureCount} failures`;
    case 'paused':
      return 'next keep-alive while paused';
    default:
      return `next try while ${connection.state}`;
  }
}

/** Current details of an app's guardian as Markdown: what is blocked, who waits, and what can be done now. */
export function buildGuardianDetails({ app, troubles, brakes, waiting, restored }: GuardianStatus): string {
  const lines = [
    ...troubles.map(
      ({ data_center: at, reason, concur_code: code, since, probes, next_probe_at: next }) =>
        `- **${at} refuses the credentials of ${app}** since ${since}: ${reason}, Concur code ${code ?? 'none'}; ${probes} probes, the next at ${next ?? 'once'}`,
    ),
    ...brakes.map((at) => `- **The brake is on in ${at}**: too many connections ended within an hour`),
    ...waiting.map(({ data_center: at, waits_for: what, count }) => `- ${count} connections in ${at} wait (${what})`),
    `- Told to go on so far: ${restored}`,
  ];
  const advice = [
    ...(troubles.length > 0
      ? ['`evergrant apps secret-add` with a secret that works; signal `probe` asks at once.']
      : []),
    ...(brakes.length > 0 ? ['When the reason is known and over: `evergrant apps release`, or signal `release`.'] : []),
  ];
  return [...lines, '', ...advice].join('\n');
}
