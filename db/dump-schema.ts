/**
 * The schema as PostgreSQL itself describes it, in an order that does not depend on how it came to be, for the
 * golden `schema.sql`: a migration's whole effect is read in its diff. Written from the catalogue, because `pg_dump` does not
 * come with the embedded server and its output changes with every version.
 */
import pg from 'pg';

/** Monthly partitions depend on the day of the migration; the default one stands for them. */
const monthly = `c.relname !~ '^(connection|audit)_events_[0-9]{4}_[0-9]{2}(_|$)'`;
const ours = `c.relnamespace = 'public'::regnamespace AND c.relname <> 'schema_migrations' AND ${monthly}`;

const columns = `SELECT c.relname AS name, format('  %I %s%s%s%s', a.attname, format_type(a.atttypid, a.atttypmod),
    CASE WHEN a.attcollation <> t.typcollation THEN format(' COLLATE %I', l.collname) ELSE '' END,
    CASE WHEN a.attidentity = 'a' THEN ' GENERATED ALWAYS AS IDENTITY'
      WHEN d.oid IS NOT NULL THEN ' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid) ELSE '' END,
    CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END) AS line
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_collation l ON l.oid = a.attcollation
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
  WHERE ${ours} AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped
  ORDER BY c.relname COLLATE "C", a.attnum`;

// NOT NULL is told with its column: PostgreSQL 18 also keeps it as a constraint, older ones don't.
const constraints = `SELECT c.relname AS name, format('  CONSTRAINT %I %s', k.conname, pg_get_constraintdef(k.oid)) AS line
  FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
  WHERE ${ours} AND NOT c.relispartition AND k.contype <> 'n' ORDER BY c.relname COLLATE "C", k.conname COLLATE "C"`;

const partitioning = `SELECT c.relname AS name, pg_get_partkeydef(c.oid) AS line FROM pg_class c
  WHERE ${ours} AND c.relkind = 'p'`;

const partitions = `SELECT format('CREATE TABLE %I PARTITION OF %s %s;', c.relname, i.inhparent::regclass,
    pg_get_expr(c.relpartbound, c.oid)) AS line
  FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid WHERE ${ours} AND c.relkind = 'r' ORDER BY 1`;

const indexes = `SELECT pg_get_indexdef(c.oid) || ';' AS line FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid
  WHERE ${ours} AND NOT c.relispartition AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = c.oid)
  ORDER BY c.relname COLLATE "C"`;

const functions = `SELECT pg_get_functiondef(p.oid) || ';' AS line FROM pg_proc p
  WHERE p.pronamespace = 'public'::regnamespace ORDER BY p.proname COLLATE "C"`;

const tableGrants = `SELECT format('GRANT %s ON %I TO evergrant_app;', string_agg(g.privilege_type, ', ' ORDER BY g.privilege_type),
    c.relname) AS line
  FROM pg_class c, aclexplode(c.relacl) g WHERE c.relnamespace = 'public'::regnamespace AND ${monthly}
    AND g.grantee = (SELECT oid FROM pg_roles WHERE rolname = 'evergrant_app')
  GROUP BY c.relname ORDER BY c.relname COLLATE "C"`;

const columnGrants = `SELECT format('GRANT %s (%s) ON %I TO evergrant_app;', g.privilege_type,
    string_agg(a.attname, ', ' ORDER BY a.attnum), c.relname) AS line
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid, aclexplode(a.attacl) g
  WHERE c.relnamespace = 'public'::regnamespace AND ${monthly}
    AND g.grantee = (SELECT oid FROM pg_roles WHERE rolname = 'evergrant_app')
  GROUP BY c.relname, g.privilege_type ORDER BY c.relname COLLATE "C", g.privilege_type`;

interface Line {
  readonly name: string;
  readonly line: string;
}

/** The schema of a migrated database as SQL. */
export async function dumpSchema(databaseUrl: string): Promise<string> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const read = async (text: string): Promise<readonly Line[]> => (await client.query<Line>(text)).rows;
    const body = [...(await read(columns)), ...(await read(constraints))];
    const keys = new Map((await read(partitioning)).map(({ name, line }) => [name, line]));
    const names = [...new Set(body.map(({ name }) => name))];
    const tables = names.map((name) => {
      const lines = body.filter((entry) => entry.name === name).map(({ line }) => line);
      const key = keys.get(name);
      return `CREATE TABLE ${name} (\n${lines.join(',\n')}\n)${key === undefined ? '' : ` PARTITION BY ${key}`};`;
    });
    const rest = [partitions, indexes, functions, tableGrants, columnGrants];
    const lines = await rest.reduce<Promise<readonly string[]>>(
      async (before, text) => [...(await before), (await read(text)).map(({ line }) => line.trimEnd()).join('\n')],
      Promise.resolve([]),
    );
    return `-- Generated from db/migrations; do not edit.\n\n${[...tables, ...lines].join('\n\n')}\n`;
  } finally {
    await client.end();
  }
}
