import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { LoadOrder, LoadResult, Targets } from './orders.ts';

export interface LoadGenerator {
  load(order: Omit<LoadOrder, 'kind'>): Promise<LoadResult>;
  close(): Promise<void>;
}

/** Starts the load generator. One measurement at a time. */
export async function startLoad(targets: Targets['targets']): Promise<LoadGenerator> {
  const child = fork(fileURLToPath(new URL('./generator.ts', import.meta.url)), {
    execArgv: ['--import', import.meta.resolve('tsx')],
  });
  await once(child, 'message');
  child.send({ kind: 'targets', targets } satisfies Targets);
  return {
    async load(order) {
      child.send({ kind: 'load', ...order } satisfies LoadOrder);
      const [result] = (await once(child, 'message')) as [LoadResult];
      return result;
    },
    async close() {
      const exited = once(child, 'exit');
      child.kill();
      await exited;
    },
  };
}
