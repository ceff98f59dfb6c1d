/**
 * Every name, id and type that crosses between API, worker, operators and the workflows. Arrows point at this
 * file; it points at the core's types alone. Changing anything here is a change of a public contract.
 */
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { ConnectionKey, ConnectionState } from '../core/connection.ts';
import type { CarriedGuard, GuardianStatus } from '../core/app-guardian.ts';
import type { ConnectionResource } from '../core/connection-resource.ts';

export const workflowTypes = {
  connectionLifecycle: 'connectionLifecycle',
  connectUnidentified: 'connectUnidentified',
  appGuardian: 'appGuardian',
  reconciler: 'reconciler',
} as const;

/** Unique per app and principal for ever: the next Connect starts a new run under the same id. */
export function connectionWorkflowId(key: ConnectionKey): string {
  return `concur-connection:${key.app}:${key.principal}`;
}

/** Unique per connect: whose it is nobody knows before it has run. */
export function unidentifiedWorkflowId(app: string, sessionId: string): string {
  return `concur-connect:${app}:${sessionId}`;
}

/** Unique per app: one guardian at a time, started whenever there is something to guard. */
export function appGuardianWorkflowId(app: string): string {
  return `concur-app:${app}`;
}

/** Id of the Schedule of the reconciler, and what the ids of its runs begin with. */
export function reconcilerScheduleId(prefix: string): string {
  return `${prefix}-reconciler`;
}

/** What an operator reads at the head of the workflow's page; the company's name is in the current details. */
export function connectionSummary(key: ConnectionKey): string {
  return `SAP Concur connection of app ${key.app} and principal ${key.principal}`;
}

/** Workflow tasks and everything that is not a call to Concur. Uncapped. */
export function lifecycleTaskQueue(prefix: string): string {
  return prefix;
}

/** Calls to one data centre of Concur, rate-capped. */
export function concurTaskQueue(prefix: string, dataCentre: string): string {
  return `${prefix}-concur-${dataCentre}`;
}

/** Input of the guardian: all it knows is on file, so a lost run heals on its next start. */
export interface GuardianInput {
  readonly app: string;
  /** Carried over a continue-as-new; absent on every other start. */
  readonly carried?: CarriedGuard & { readonly schema: 1 };
}

/** Input of a connect whose principal is not known yet: all else is on file. */
export interface UnidentifiedConnectInput {
  readonly app: string;
  readonly sessionId: string;
  /** Where it is brought: picks the task queue. */
  readonly dataCentre: string;
  /** Carried over a continue-as-new; absent on every other start. */
  readonly mintedPrincipal?: string;
}

/** Its result: whose connection it has become; null: none. */
export interface UnidentifiedConnectResult {
  readonly principal: string | null;
}

/** Input of the lifecycle: the state is read from the row, so a lost run heals on its next start. */
export interface LifecycleInput extends ConnectionKey {
  /** Carried over a continue-as-new; absent on every other start. */
  readonly carried?: CarriedState;
}

/** What one run hands to the next. Readers tolerate missing and unknown fields. */
export interface CarriedState {
  readonly schema: 1;
  /** Continue-as-news so far, for the operator's eyes. */
  readonly generation: number;
}

/**
 * What an operator or the API may say with a command; every field may be missing. From the Temporal UI the whole may
 * be missing too, which handlers bear although the types of updates can't say so.
 */
export interface CommandInput {
  readonly actor?: string;
  readonly reason?: string;
  /** Id of the request behind it, for the audit trail. */
  readonly correlationId?: string;
}

export interface ConnectInput {
  readonly sessionId: string;
  /** Its request token makes a connection that was not there before: a run that starts with it begins with the exchange. */
  readonly isNew?: boolean;
}

export interface EnsureFreshInput {
  /** Version of the token that the caller found stale; null forces a refresh. */
  readonly version: number | null;
}

export interface TokenRejectedInput extends CommandInput {
  readonly version?: number;
  readonly status?: number;
}

/**
 * Answer of every update: small, as it stays in the history. `settled: false` means that the work goes on:
 * handlers answer within 20 s.
 */
export interface CommandResult {
  readonly settled: boolean;
  readonly state: ConnectionState;
  readonly version: number;
}

export const connectUpdate = defineUpdate<CommandResult, [ConnectInput]>('connect');
export const ensureFreshUpdate = defineUpdate<CommandResult, [EnsureFreshInput]>('ensureFresh');
export const refreshUpdate = defineUpdate<CommandResult, [CommandInput]>('refresh');
export const revokeUpdate = defineUpdate<CommandResult, [CommandInput]>('revoke');
export const pauseUpdate = defineUpdate<CommandResult, [CommandInput]>('pause');
export const resumeUpdate = defineUpdate<CommandResult, [CommandInput]>('resume');

export const tokenRejectedSignal = defineSignal<[TokenRejectedInput?]>('tokenRejected');
export const refreshSignal = defineSignal<[CommandInput?]>('refresh');
export const revokeSignal = defineSignal<[CommandInput?]>('revoke');
export const pauseSignal = defineSignal<[CommandInput?]>('pause');
export const resumeSignal = defineSignal<[CommandInput?]>('resume');
export const appRestoredSignal = defineSignal<[CommandInput?]>('appRestored');

/** To the guardian of an app: find out at once whether its credentials work. */
export const probeSignal = defineSignal<[CommandInput?]>('probe');
/** To the guardian of an app: take the brake off, and try the connections that it held. */
export const releaseSignal = defineSignal<[CommandInput?]>('release');
/** What the guardian of an app is at; null until it has looked. */
export const guardianStatusQuery = defineQuery<GuardianStatus | null, []>('status');

/** The connection resource as the workflow sees it; null until it has read the row. */
export const statusQuery = defineQuery<ConnectionResource | null, []>('status');

/**
 * Deduplication scope of `ensureFresh`: all callers that found the same version stale within the same
 * thirty seconds share one update (200 callers with one id took 1.7 s, with 200 ids 44 s and 14 failures).
 */
export function ensureFreshUpdateId(version: number, nowMs: number): string {
  return `fresh:${version}:${Math.floor(nowMs / 30_000)}`;
}

/** How long a handler keeps its caller waiting before it answers `settled: false`. */
export const HANDLER_WAIT_MS = 20_000;

export const searchAttributes = {
  state: 'ConnectionState',
  dataCentre: 'ConcurDataCenter',
  app: 'ConcurApp',
  principal: 'ConcurPrincipal',
  customerRef: 'CustomerRef',
  stateSince: 'StateSince',
} as const;
