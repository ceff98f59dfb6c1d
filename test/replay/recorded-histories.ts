/**
 * Histories as they were recorded by the workflow suite, one file each (protobuf, as the server keeps them): what has run once must replay for ever. To
 * record anew after a release: `RECORD_HISTORIES=1 npx vitest run --project workflow`.
 */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import { temporal } from '@temporalio/proto';

export type History = temporal.api.history.v1.IHistory;

const { History: codec } = temporal.api.history.v1;

const folder = new URL('./histories/', import.meta.url);

export interface RecordedHistory {
  /** What was done, as a file name. */
  readonly name: string;
  readonly workflowId: string;
  readonly history: History;
}

/** Writes each history under the name of the test that made it; a later run of the same test gets a number. */
export async function recordHistories(
  made: readonly { readonly workflowId: string; readonly test: string; readonly history: History }[],
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const used = new Map<string, number>();
  for (const { workflowId, test, history } of made) {
    const name = test
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '-')
      .replaceAll(/^-|-$/g, '')
      .slice(0, 60);
    const count = (used.get(name) ?? 0) + 1;
    used.set(name, count);
    const encoded = Buffer.from(codec.encode(history).finish()).toString('base64');
    await writeFile(
      new URL(`${name}.${count}.json.gz`, folder),
      gzipSync(JSON.stringify({ workflowId, history: encoded })),
    );
  }
}

export async function readHistories(): Promise<readonly RecordedHistory[]> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.json.gz')).toSorted();
  return await Promise.all(
    files.map(async (file) => {
      const { workflowId, history } = JSON.parse(gunzipSync(await readFile(new URL(file, folder))).toString());
      return { name: file, workflowId, history: codec.decode(Buffer.from(history, 'base64')) };
    }),
  );
}
