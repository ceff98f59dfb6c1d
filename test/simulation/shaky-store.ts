/**
 * The way of one process to the database: transactions that never begin, that are committed without anybody hearing of it,
 * and a database that is away for a while.
 */
import type { Aggregate, Decision } from '../../core/aggregate.ts';
import type { ConnectionKey } from '../../core/connection.ts';
import { AppError } from '../../core/errors.ts';
import type { ConnectionStore } from '../../core/stores.ts';
import type { Plan } from './plan.ts';
import { misdecide, type PlantedBug } from './planted-bugs.ts';
import type { Prng } from './prng.ts';
import type { Trace } from './trace.ts';

export interface Database {
  isAway: boolean;
  /** Nothing goes wrong any more. */
  isHealed: boolean;
}

interface Deps {
  readonly base: ConnectionStore;
  readonly database: Database;
  readonly prng: Prng;
  readonly plan: Plan;
  readonly trace: Trace;
  readonly bug: PlantedBug | null;
}

/** `passes`: the border of the process that uses it; `name`: for the trace. */
export function createShakyStore(
  { base, database, prng, plan, trace, bug }: Deps,
  name: string,
  passes: (where: string) => Promise<void>,
): ConnectionStore {
  const begin = async (where: string): Promise<void> => {
    await passes(where);
    if (database.isAway || (!database.isHealed && prng.chance(plan.databaseFailChance))) {
      await passes(`${where}, which fails`);
      throw unavailable();
    }
  };
  return {
    ...base,
    async transact<T>(
      key: ConnectionKey,
      decide: (aggregate: Aggregate) => Decision<T>,
      ...more: readonly unknown[]
    ): Promise<T> {
      await begin('a transaction');
      const result = await Reflect.apply(base.transact<T>, base, [key, misdecide(bug, decide), ...more]);
      if (!database.isHealed && prng.chance(plan.databaseDropChance)) {
        trace.note(`${name}: committed, but not heard of`);
        throw unavailable();
      }
      await passes('a commit');
      return result;
    },
    async maybeOne(key) {
      await begin('a read');
      return await base.maybeOne(key);
    },
    async maybeAccessToken(key) {
      await begin('a read of the access token');
      return await base.maybeAccessToken(key);
    },
    async touchRead(reads) {
      await begin('a note of reads');
      await base.touchRead(reads);
    },
  };
}

function unavailable(): AppError {
  return new AppError('database-unavailable', 'The database is away.');
}
