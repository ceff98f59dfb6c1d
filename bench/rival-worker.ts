import type { Place } from './place.ts';

export interface RivalWorker {
  readonly pid: number;
  /** Empty activities that it has run. */
  calls(): Promise<number>;
}

export async function startRivalWorker(place: Place): Promise<RivalWorker> {
  const env = { TEMPORAL_ADDRESS: place.temporalAddress, NODE_ENV: 'production' };
  const { part, url } = await place.start('rivals/worker.ts', env);
  return {
    pid: part.pid,
    async calls() {
      return ((await (await fetch(url)).json()) as { readonly calls: number }).calls;
    },
  };
}
