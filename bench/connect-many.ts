import type { ConnectionKey } from '../core/connection.ts';
import { waitFor } from '../test/e2e/wait-for.ts';
import type { Backend } from '../test/integration/backend.ts';
import { inLanes } from './in-lanes.ts';

/** Longer than any update waits: on a machine that others use a connect may take its time. */
const ACTIVE_MS = 120_000;

/** Connects as administrators do, some at a time. Throws when one does not become active. */
export async function connectMany(
  backend: Backend,
  { count, app = 'demo', lanes = 20 }: { readonly count: number; readonly app?: string; readonly lanes?: number },
): Promise<readonly ConnectionKey[]> {
  return await inLanes(lanes, Array.from({ length: count }), async () => {
    const { key, result } = await backend.connect('us2', app);
    if (result.state !== 'active') {
      await waitFor('a connection to be active', ACTIVE_MS, async () =>
        (await backend.connection(key)).state === 'active' ? true : null,
      );
    }
    return key;
  });
}
