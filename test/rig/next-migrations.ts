/** Migrations as a later release may have them, by name: additive, one table that is in use at a time. */
export const nextMigrations: Readonly<Record<string, string>> = {
  '9001_next-connections': `ALTER TABLE connections
    ADD COLUMN next_note text, ADD COLUMN next_count integer NOT NULL DEFAULT 0;
    ALTER TABLE connections ADD CONSTRAINT next_count_is_natural CHECK (next_count >= 0) NOT VALID;`,
  '9002_next-valid': 'ALTER TABLE connections VALIDATE CONSTRAINT next_count_is_natural;',
  '9003_next-tokens': `ALTER TABLE access_tokens ADD COLUMN next_since timestamptz NOT NULL DEFAULT now();`,
  '9004_next-clients': `ALTER TABLE clients ADD COLUMN next_contact text;`,
  '9005_next-sessions': `ALTER TABLE connect_sessions ADD COLUMN next_locale text;
    CREATE TABLE next_things (id text PRIMARY KEY);`,
};
