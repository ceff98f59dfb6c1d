import type { BringUpInput } from './bring-up-input.ts';
import type { PartId } from './launcher.ts';

const UP_MS = 90_000;

export interface NodePart {
  readonly id: PartId;
  readonly name: string;
  /** TypeScript, run as it is. */
  readonly module: string;
  readonly graceMs: number;
  readonly env: NodeJS.ProcessEnv;
}

/** Program and arguments that run a TypeScript module in one process. */
export function nodeCommand(module: string): readonly [string, ...string[]] {
  return [process.execPath, '--import', import.meta.resolve('tsx'), module];
}

/** Starts one of our own programs and waits until it says that it is up. Resolves with the URL that it announced. */
export async function startNodePart(
  { launcher }: Pick<BringUpInput, 'launcher'>,
  { id, name, module, graceMs, env }: NodePart,
): Promise<string | null> {
  const [command, ...args] = nodeCommand(module);
  const part = launcher.spawn(id, { name, command, args, env, graceMs, ipc: true });
  return await part.ready(UP_MS);
}
