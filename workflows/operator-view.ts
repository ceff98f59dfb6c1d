/** What an operator sees of a connection in the Temporal UI: search attributes, current details, timer summaries. */
import { defineSearchAttributeKey, type SearchAttributeUpdatePair, SearchAttributeType } from '@temporalio/common';
import { HELD_BY_BRAKE } from '../core/brake.ts';
import {
  type Connection,
  type ConnectionSnapshot,
  type ConnectionState,
  isLiving,
  type LastError,
} from '../core/connection.ts';
import { formatTime } from '../core/connection-resource.ts';
import type { GuardianStatus } from '../core/app-guardian.ts';
import type { UnidentifiedTrouble } from '../activities/unidentified.ts';
import type { RefreshCause } from '../core/refresh-transaction.ts';
import { connectionWorkflowId, searchAttributes, type UnidentifiedConnectInput } from './contract.ts';

/** How far a connect has come of which nobody knows yet whose it is. */
export type UnidentifiedNews =
  | { readonly is: 'under-way' }
  | { readonly is: 'waiting'; readonly untilMs: number; readonly trouble: UnidentifiedTrouble | undefined }
  | { readonly is: 'over'; readonly principal: string | null; readonly trouble: UnidentifiedTrouble | undefined };

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
const advice: Record<ConnectionState, (of: Pick<Connection, 'app' | 'principal'>) => string> = {
  connecting: () => 'Nothing to do: the exchange is tried until the request token ends.',
  active: () => 'Nothing to do. Signals: `refresh`, `pause`, `revoke`.',
  retrying: () => 'Nothing to do yet: tries go on by themselves. Signal `refresh` tries at once.',
  suspended: () => 'The customer has to enable the app, the user or the company again. Signal `refresh` tries at once.',
  blocked: ({ app }) =>
    `SAP Concur refuses the app's own credentials: \`evergrant apps secret-add ${app}\`. Signal \`refresh\` tries at once.`,
  paused: () => 'Signal `resume` to go on, `revoke` to end it.',
  revoking: () => 'Nothing to do: the revoke is tried until SAP Concur confirms it.',
  'reauthorization-required': ({ app, principal }) =>
    'An administrator of the customer has to press Connect again at the listing. ' +
    `An error of SAP Concur's? \`evergrant connections revive ${app} ${principal}\` tries the old tokens again.`,
  revoked: () => 'Over. A new Connect starts it again.',
  'connect-failed': () => 'Over. The administrator can press Connect again.',
};

/** The customer can do nothing about a connection that the brake holds. */
function adviceOn(connection: Connection): string {
  const { state, reason, app } = connection;
  if (state !== 'suspended' || reason !== HELD_BY_BRAKE) return advice[state](connection);
  return `Too many connections would have died at once. When the reason is known and over: \`evergrant apps release ${app}\`.`;
}

/**
 * Current details as Markdown: whose connection, its state, deadlines, last error, and what can be done now. They stay
 * until the next change. The summary at the head of the page is of the first run alone: the server hands it to no other.
 */
export function buildDetails(
  { connection, upkeep, listingUrl }: ConnectionSnapshot,
  { generation, nowMs }: { readonly generation: number; readonly nowMs: number },
): string {
  const { lastError, company, state, missingScopes } = connection;
  const known = isLiving(state) || state === 'revoking';
  const rows = [
    ['Connection', `app ${connection.app}, principal ${connection.principal}`],
    ['Company', company === null ? 'not known' : [company.name, company.domain].filter(Boolean).join(', ')],
    ['Customer', connection.customerRef],
    ['State', `**${state}** since ${formatTime(connection.stateSinceMs)}`],
    ['Reason', connection.reason],
    ['Last error', lastError === null ? null : formatTrouble(lastError)],
    // Not at the end: the UI cuts that off.
    ['What to do', adviceOn(connection)],
    ['Data centre', connection.dataCentre],
    ['Upkeep', state === 'active' ? upkeep : null],
    [nextAction[state] ?? 'Next try', formatTime(connection.nextActionAtMs)],
    ['Access token until', known ? formatTime(connection.accessTokenExpiresAtMs) : null],
    ['Refresh token until', known ? formatEnd(connection.refreshTokenExpiresAtMs, nowMs) : null],
    ['Missing scopes', missingScopes.join(' ')],
    ['Version', `${connection.version} (run ${generation + 1})`],
    ['Listing', state === 'reauthorization-required' ? listingUrl : null],
  ] as const;
  const written = rows.filter(([, value]) => value !== null && value !== '');
  return written.map(([name, value]) => `- ${name}: ${value}`).join('\n');
}

/** What comes next where that is no try. */
const nextAction: Partial<Record<ConnectionState, string>> = { active: 'Next refresh', paused: 'Next keep-alive' };

function formatTrouble({ code, concurCode, correlationId, atMs }: UnidentifiedTrouble & Partial<LastError>): string {
  const at = atMs === undefined ? '' : `, at ${formatTime(atMs)}`;
  return `${code}, Concur code ${concurCode ?? 'none'}${at}, correlation id ${correlationId ?? 'none'}`;
}

/** Current details of a connect without a principal as Markdown. */
export function buildUnidentifiedDetails(
  { app, dataCentre }: UnidentifiedConnectInput,
  news: UnidentifiedNews,
): string {
  const trouble = news.is === 'under-way' ? undefined : news.trouble;
  const lines = [
    `- Connect of app ${app}, brought to ${dataCentre}`,
    `- State: ${stateOf(app, news)}`,
    ...(trouble === undefined ? [] : [`- Last error: ${formatTrouble(trouble)}`]),
  ];
  const advice =
    news.is !== 'over'
      ? 'Nothing to do: it is tried until what was brought runs out.'
      : news.principal === null
        ? 'Over. Who connected can try again.'
        : 'Over. The rest is at the workflow of the connection.';
  return [...lines, '', advice].join('\n');
}

function stateOf(app: string, news: UnidentifiedNews): string {
  if (news.is === 'under-way') return '**under way**';
  if (news.is === 'waiting') return `**waiting**, tried again at ${formatTime(news.untilMs)}`;
  return news.principal === null
    ? '**failed**, nothing was connected'
    : `**handed over** to ${connectionWorkflowId({ app, principal: news.principal })}`;
}

/** With the days that were left when it was written, which may be weeks ago. */
function formatEnd(endsAtMs: number | null, nowMs: number): string | null {
  if (endsAtMs === null) return null;
  const days = Math.floor((endsAtMs - nowMs) / DAY_MS);
  return `${formatTime(endsAtMs)}, ${days} days from ${new Date(nowMs).toISOString().slice(0, 10)}`;
}

/** Why a refresh is made, for the activity in its history. Nobody's own words: the server refuses a task whose summary is long. */
export const refreshSummaries: Record<RefreshCause, string> = {
  due: 'refresh, due',
  fresh: 'refresh, a reader waits',
  rejected: 'refresh, SAP Concur refused the token',
  forced: 'refresh, asked for',
  revoke: 'refresh, ahead of the revoke',
};

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
    `- Guardian of app ${app}`,
    ...troubles.map(
      ({ data_center: at, reason, concur_code: code, since, probes, next_probe_at: next }) =>
        `- **${at} refuses the credentials of ${app}** since ${since}: ${reason}, Concur code ${code ?? 'none'}; probes so far: ${probes}, the next at ${next ?? 'once'}`,
    ),
    ...brakes.map((at) => `- **The brake is on in ${at}**: too many connections ended within an hour`),
    ...waiting.map(({ data_center: at, waits_for: what, count }) => `- ${count} connections in ${at} wait (${what})`),
    `- Told to go on so far: ${restored}`,
  ];
  const advice = [
    ...(troubles.length > 0
      ? [`\`evergrant apps secret-add ${app}\` with a secret that works; signal \`probe\` asks at once.`]
      : []),
    ...(brakes.length > 0
      ? [`When the reason is known and over: \`evergrant apps release ${app}\`, or signal \`release\`.`]
      : []),
  ];
  const done = advice.length > 0 ? advice : ['Nothing to do: it ends by itself once nobody waits.'];
  return [...lines, '', ...done].join('\n');
}
