/** Whatever crosses into Temporal is plain JSON without secrets: inputs, results, messages, what a run hands on. */
import type { QueryDefinition, SignalDefinition, UpdateDefinition } from '@temporalio/common';
import { expectTypeOf } from 'vitest';
import type {
  Activities as LifecycleActivities,
  AppGuardianActivities,
  ReconcileActivities,
} from '../../activities/index.ts';
import type { Connection, ConnectionSnapshot } from '../../core/connection.ts';
import type { ConnectionResource } from '../../core/connection-resource.ts';
import type { appGuardian } from '../../workflows/app-guardian.ts';
import type { connectionLifecycle } from '../../workflows/connection-lifecycle.ts';
import type * as contract from '../../workflows/contract.ts';
import type { PlainJson } from './plain-json.ts';

expectTypeOf<contract.CommandResult>().toExtend<PlainJson<contract.CommandResult>>();
expectTypeOf<contract.LifecycleInput>().toExtend<PlainJson<contract.LifecycleInput>>();
expectTypeOf<contract.CarriedState>().toExtend<PlainJson<contract.CarriedState>>();
expectTypeOf<Connection>().toExtend<PlainJson<Connection>>();
expectTypeOf<ConnectionSnapshot>().toExtend<PlainJson<ConnectionSnapshot>>();
expectTypeOf<ConnectionResource>().toExtend<PlainJson<ConnectionResource>>();

/** Arguments and results of every message that the contract defines. */
type Contract = typeof contract;
type Payload<Definition> =
  Definition extends UpdateDefinition<infer Result, infer Args>
    ? readonly [Result, Args]
    : Definition extends QueryDefinition<infer Result, infer Args>
      ? readonly [Result, Args]
      : Definition extends SignalDefinition<infer Args>
        ? readonly [Args]
        : null;
type Messages = { [Name in keyof Contract]: Payload<Contract[Name]> };
expectTypeOf<Messages>().toExtend<PlainJson<Messages>>();
expectTypeOf<Messages['statusQuery']>().not.toEqualTypeOf<null>();
expectTypeOf<Messages['connectUpdate']>().toEqualTypeOf<readonly [contract.CommandResult, [contract.ConnectInput]]>();

type Activities = LifecycleActivities & ReconcileActivities & AppGuardianActivities;

/** Every activity takes one value and answers one, both plain. */
type Inputs = { [Name in keyof Activities]: Parameters<Activities[Name]> };
type Outputs = { [Name in keyof Activities]: Awaited<ReturnType<Activities[Name]>> };
expectTypeOf<Inputs>().toExtend<PlainJson<Inputs>>();
expectTypeOf<Outputs>().toExtend<PlainJson<Outputs>>();
expectTypeOf<Inputs[keyof Activities]['length']>().toEqualTypeOf<1>();

/** So do the workflows. */
expectTypeOf<Parameters<typeof appGuardian>>().toEqualTypeOf<[contract.GuardianInput]>();
expectTypeOf<Awaited<ReturnType<typeof appGuardian>>>().toEqualTypeOf<{ readonly restored: number }>();
expectTypeOf<Parameters<typeof connectionLifecycle>>().toEqualTypeOf<[contract.LifecycleInput]>();
expectTypeOf<Awaited<ReturnType<typeof connectionLifecycle>>>().toExtend<string>();

// An operator signals each command from the UI with nothing at all, and updates with an empty object.
type Commands = 'refreshUpdate' | 'revokeUpdate' | 'pauseUpdate' | 'resumeUpdate';
type Signals = Extract<keyof Contract, `${string}Signal`>;
type ArgsOf<Definition> =
  Definition extends UpdateDefinition<unknown, infer Args>
    ? Args
    : Definition extends SignalDefinition<infer Args>
      ? Args
      : never;
expectTypeOf<[Record<never, never>]>().toExtend<ArgsOf<Contract[Commands]>>();
expectTypeOf<[]>().toExtend<ArgsOf<Contract[Signals]>>();
expectTypeOf<Signals>().toEqualTypeOf<
  | 'tokenRejectedSignal'
  | 'refreshSignal'
  | 'revokeSignal'
  | 'pauseSignal'
  | 'resumeSignal'
  | 'appRestoredSignal'
  | 'probeSignal'
  | 'releaseSignal'
>();
