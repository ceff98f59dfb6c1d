/** Looks for sealed values in all of a database, wherever they are. */
import pg from 'pg';

/** JWE in compact form without an encrypted key (RFC 7516 section 7.1), alone in a cell or inside of one. */
const SEALED = '[A-Za-z0-9_-]{20,}\\.\\.[A-Za-z0-9_-]{16}\\.[A-Za-z0-9_-]*\\.[A-Za-z0-9_-]{22}';

/** `table.column` of every column that holds one, sorted; the wrapped data keys are no part of it. */
export async function manySealedColumns(adminUrl: string): Promise<readonly string[]> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  try {
    const { rows: columns } = await client.query<{ name: string; text: string }>(
      `SELECT c.table_name || '.' || c.column_name AS name,
         format('SELECT count(*) AS found FROM %I WHERE %I::text ~ $1', c.table_name, c.column_name) AS text
       FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
       WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' ORDER BY 1`,
    );
    const holding: string[] = [];
    for (const { name, text } of columns) {
      const { rows } = await client.query<{ found: string }>(text, [SEALED]);
      if (Number(rows[0]?.found) > 0) holding.push(name);
    }
    return holding.filter((name) => name !== 'data_keys.wrapped').sort();
  } finally {
    await client.end();
  }
}
