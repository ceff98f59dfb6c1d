/**
 * Keeps the sandbox over a restart. `save` resolves when a state at least as new as the moment of the call is in the
 * file, and savers that wait at the same time share one write: what Concur has answered, Concur still knows after a kill.
 */
import { readFile, rename, writeFile } from 'node:fs/promises';
import type { JWK } from 'jose';
import { z } from 'zod';
import type { ConcurModel, ConcurSnapshot } from './model/concur-model.ts';
import { SandboxProblem } from './model/problem.ts';
import type { SigningKey } from './signing-key.ts';

const FORMAT = 'evergrant-sandbox/1';

const fileSchema = z.object({
  format: z.literal(FORMAT),
  signingKey: z.record(z.string(), z.unknown()).nullable(),
  concur: z.object({
    clockOffsetMs: z.number(),
    companies: z.array(z.looseObject({ id: z.string(), dataCentre: z.string() })),
    users: z.array(z.looseObject({ id: z.string(), companyId: z.string(), login: z.string() })),
    apps: z.array(z.looseObject({ clientId: z.string(), secrets: z.array(z.unknown()) })),
    requestTokens: z.array(z.looseObject({ value: z.string() })),
    refreshTokens: z.array(z.looseObject({ value: z.string() })),
    accessTokens: z.array(z.looseObject({ value: z.string() })),
    legacyCodes: z.array(z.looseObject({ value: z.string() })).default([]),
    legacyTokens: z.array(z.looseObject({ value: z.string(), refreshValue: z.string() })).default([]),
  }),
});

export interface StoredState {
  readonly signingKey: JWK | null;
  readonly concur: ConcurSnapshot;
}

/** Null when there is no file yet; throws {@link SandboxProblem} when there is one that is not a state. */
export async function loadState(path: string): Promise<StoredState | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new SandboxProblem('invalid', `state file ${path} cannot be read: ${(error as Error).message}`);
  }
  const parsed = fileSchema.safeParse(parseJson(text));
  if (!parsed.success) throw new SandboxProblem('invalid', `${path} is no state of a sandbox: remove it to begin anew`);
  // The file was written by `save` below; the schema has proved that, not every field.
  return parsed.data as unknown as StoredState;
}

export interface StateKeeper {
  save(): Promise<void>;
}

export function createStateKeeper(path: string, model: ConcurModel, signingKey: SigningKey): StateKeeper {
  let savedRevision = -1;
  let writing: Promise<void> | null = null;
  let queued: Promise<void> | null = null;

  async function write(): Promise<void> {
    const revision = model.revision;
    const state = { format: FORMAT, signingKey: await signingKey.export(), concur: model.snapshot() };
    await writeFile(`${path}.new`, JSON.stringify(state), { mode: 0o600 });
    await rename(`${path}.new`, path);
    savedRevision = revision;
  }

  function start(): Promise<void> {
    writing = write().finally(() => {
      writing = null;
    });
    return writing;
  }

  return {
    async save() {
      if (model.revision === savedRevision) return;
      if (queued !== null) return queued;
      if (writing === null) return start();
      // The write under way may have begun before the change: one more follows it, for everybody who waits.
      queued = writing
        .catch(() => undefined)
        .then(() => {
          queued = null;
          return start();
        });
      return queued;
    },
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
