/** Every migration since the first release lets the version before it work on, and one that would not is found. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { checkMigrations, type MigrationFile, migrationRules } from '../../dev/check/migration-rules.ts';
import { nextMigrations } from '../rig/next-migrations.ts';

const folder = new URL('../../db/migrations/', import.meta.url);

/** The last one of before the first release: nothing has ever run beside one up to here. */
const BASELINE = '0015_webhooks';

/** Findings that are right nevertheless, as `migration: rule`, each with the reason why no older version minds. */
const exceptions: Readonly<Record<string, string>> = {};

const files: readonly MigrationFile[] = readdirSync(folder)
  .filter((file) => file.endsWith('.sql'))
  .toSorted()
  .map((file) => ({ name: file.replace(/\.sql$/, ''), text: readFileSync(new URL(file, folder), 'utf8') }));

/** What breaks a rule; `id` is a table that the baseline has. */
const planted: Readonly<Record<string, readonly string[]>> = {
  'takes-nothing-away': [
    'DROP TABLE clients;',
    'ALTER TABLE connections DROP COLUMN scope;',
    'ALTER TABLE connections DROP scope;',
    'ALTER TABLE connections ADD COLUMN a text, DROP COLUMN IF EXISTS b CASCADE;',
    'ALTER TABLE connections RENAME COLUMN scope TO scopes;',
    'ALTER TABLE connections RENAME TO grants;',
    'ALTER INDEX connections_due RENAME TO due;',
    'ALTER TABLE connect_sessions ALTER COLUMN uses DROP DEFAULT;',
    'DROP INDEX connections_due;',
    'drop function remove_data_key(text);',
    'TRUNCATE outbox;',
  ],
  'new-columns-may-be-left-out': [
    'ALTER TABLE connections ADD COLUMN region text NOT NULL;',
    'ALTER TABLE connections ADD region text NOT NULL, ADD COLUMN note text DEFAULT 1;',
  ],
  'rewrites-no-table': [
    'ALTER TABLE connections ALTER COLUMN version TYPE bigint;',
    'ALTER TABLE connections ALTER version SET DATA TYPE bigint;',
    'ALTER TABLE connections ADD COLUMN uid uuid NOT NULL DEFAULT gen_random_uuid();',
    'ALTER TABLE connections ADD COLUMN n bigserial;',
    'ALTER TABLE connections ADD COLUMN twice integer GENERATED ALWAYS AS (version * 2) STORED;',
  ],
  'reads-no-table-to-check-it': [
    'ALTER TABLE connections ALTER COLUMN scope SET NOT NULL;',
    'ALTER TABLE connections ADD CHECK (version < 1000);',
    'ALTER TABLE connections ADD CONSTRAINT c CHECK (version < 1000);',
    'ALTER TABLE outbox ADD CONSTRAINT f FOREIGN KEY (app) REFERENCES apps;',
    'ALTER TABLE outbox ADD COLUMN owner text REFERENCES clients;',
  ],
  'makes-no-index-on-what-is-in-use': [
    'CREATE INDEX by_scope ON connections (scope);',
    'CREATE UNIQUE INDEX by_scope ON public.connections (scope);',
    'CREATE INDEX CONCURRENTLY by_scope ON connections (scope);',
    'ALTER TABLE connections ADD COLUMN ref text UNIQUE;',
    'ALTER TABLE connections ADD CONSTRAINT u UNIQUE (app, scope);',
  ],
  'moves-no-rows': [
    'UPDATE connections SET scope = NULL;',
    'DELETE FROM outbox;',
    'WITH gone AS (DELETE FROM outbox RETURNING id) SELECT count(*) FROM gone;',
    'INSERT INTO outbox SELECT * FROM outbox;',
  ],
  'is-one-of-the-known-forms': [
    'LOCK TABLE connections;',
    'VACUUM FULL connections;',
    'CREATE TRIGGER t BEFORE UPDATE ON connections EXECUTE FUNCTION f();',
    "DO $$ BEGIN EXECUTE 'DROP TABLE connections'; END $$;",
    'COMMIT;',
  ],
  'changes-one-table-that-is-in-use': [
    'ALTER TABLE connections ADD COLUMN a text; ALTER TABLE access_tokens ADD COLUMN b text;',
  ],
  'validates-in-a-later-file': [
    'ALTER TABLE connections ADD CONSTRAINT c CHECK (version < 9) NOT VALID; ALTER TABLE connections VALIDATE CONSTRAINT c;',
  ],
};

const harmless: readonly string[] = [
  ...Object.values(nextMigrations),
  'CREATE TABLE notes (id text PRIMARY KEY, app text REFERENCES apps, n integer NOT NULL CHECK (n > 0)); CREATE INDEX i ON notes (n);',
  "-- DROP TABLE connections;\nALTER TABLE connections ADD COLUMN note text DEFAULT 'DROP; TABLE';",
  'CREATE OR REPLACE FUNCTION f() RETURNS void LANGUAGE sql AS $$ DELETE FROM outbox; $$; REVOKE EXECUTE ON FUNCTION f() FROM PUBLIC;',
  'ALTER TABLE connections ADD COLUMN seen_at timestamptz NOT NULL DEFAULT now();',
  'ALTER TABLE connections DROP CONSTRAINT c, ADD CONSTRAINT c CHECK (version < 9) NOT VALID;',
];

function findingsIn(text: string, name = '9999_planted'): readonly string[] {
  return checkMigrations([...files, { name, text }], BASELINE)
    .filter(({ migration }) => migration === name)
    .map(({ rule }) => rule);
}

describe('migrations', () => {
  it('since the first release leave the version before at work', () => {
    expect(files.map(({ name }) => name)).toContain(BASELINE);
    const found = checkMigrations(files, BASELINE);
    expect(found.filter(({ migration, rule }) => !(`${migration}: ${rule}` in exceptions))).toEqual([]);
    const used = new Set(found.map(({ migration, rule }) => `${migration}: ${rule}`));
    expect(Object.keys(exceptions).filter((exception) => !used.has(exception))).toEqual([]);
  });

  it('of before it were looked at too: some of them could not be released today', () => {
    const rules = new Set(checkMigrations(files, 'none').map(({ migration, rule }) => `${migration}: ${rule}`));
    expect(rules).toContain('0009_sign-in: moves-no-rows');
    expect(rules).toContain('0009_sign-in: reads-no-table-to-check-it');
    expect([...rules].filter((finding) => /^000[1257]/.test(finding))).toEqual([]);
  });

  it('are each held to rules that a planted one breaks', () => {
    expect([...Object.keys(planted), 'comes-after-all-others'].toSorted()).toEqual(migrationRules.toSorted());
  });

  it.each(Object.entries(planted).flatMap(([rule, texts]) => texts.map((text) => [rule, text] as const)))(
    '%s finds: %s',
    (rule, text) => {
      expect(findingsIn(text)).toContain(rule);
    },
  );

  it('are found that are named before others', () => {
    expect(findingsIn('CREATE TABLE a (b text);', '0012_late')).toContain('comes-after-all-others');
  });

  it.each(harmless)('may be: %s', (text) => {
    expect(findingsIn(text)).toEqual([]);
  });
});
