/** Looks for secrets where none may be, in the forms in which one might have slipped in. */

import { Client, Connection } from '@temporalio/client';
import pg from 'pg';

/** Too short to be told from other text. */
const SHORTEST = 12;

/** A secret as it is, URL-encoded and in Base64. */
export function secretForms(secrets: readonly string[]): readonly string[] {
  const forms = secrets
    .filter((secret) => secret.length >= SHORTEST)
    .flatMap((secret) => [
      secret,
      encodeURIComponent(secret),
      Buffer.from(secret).toString('base64'),
      Buffer.from(secret).toString('base64url'),
    ]);
  return [...new Set(forms)];
}

/** One line for each text that holds a secret: which text, and how the secret begins. */
export function findSecrets(texts: readonly string[], forms: readonly string[]): string[] {
  return texts.flatMap((text, index) => {
    const found = forms.find((form) => text.includes(form));
    return found === undefined ? [] : [`text ${index}: ${found.slice(0, 6)}... in ${text.slice(0, 120)}`];
  });
}

/** Every run of every workflow in a namespace, as text. */
export async function allHistories(address: string, namespace = 'default'): Promise<string[]> {
  const connection = await Connection.connect({ address });
  try {
    const { workflow } = new Client({ connection, namespace });
    const texts: string[] = [];
    for await (const { workflowId, runId } of workflow.list()) {
      const history = await workflow.getHandle(workflowId, runId).fetchHistory();
      texts.push(textOf(history));
    }
    return texts;
  } finally {
    await connection.close();
  }
}

/** All text within a value; payloads are bytes, and what they say counts too. */
export function textOf(value: unknown): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1');
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.entries(value)
    .map(([key, inner]) => `${key}=${textOf(inner)}`)
    .join('\n');
}

/** Every row of every table, as text. */
export async function allRows(databaseUrl: string): Promise<string[]> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows: tables } = await client.query<{ name: string }>(
      `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`,
    );
    const texts: string[] = [];
    for (const { name } of tables) {
      const { rows } = await client.query<{ text: string }>(`SELECT t::text AS text FROM ${name} t`);
      texts.push(...rows.map(({ text }) => text));
    }
    return texts;
  } finally {
    await client.end();
  }
}
