import type { ConnectionKey } from '../core/connection.ts';
import type { Backend } from '../test/integration/backend.ts';
import { inLanes } from './in-lanes.ts';

/** Connects as administrators do, some at a time. Throws when one does not become active. */
export async function connectMany(
  backend: Backend,
  { count, app = 'demo', lanes = 20 }: { readonly count: number; readonly app?: string; readonly lanes?: number },
): Promise<readonly ConnectionKey[]> {
  return await inLanes(lanes, Array.from({ length: count }), async () => {
    const { key, result } = await backend.connect('us2', app);
    if (result.state !== 'active') throw new Error(`a connect ended in ${result.state}`);
    return key;
  });
}
