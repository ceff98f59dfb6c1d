/**
 * Rules for migrations, which run while the version before works: each file is one transaction, keeps its locks until its
 * end, and leaves everything that the version before needs. Tables that a file makes itself are nobody's yet, and free.
 *
 * Read by patterns, not by a parser: what it does not understand it refuses.
 */

export interface MigrationFile {
  /** Without `.sql`. */
  readonly name: string;
  readonly text: string;
}

export interface MigrationFinding {
  readonly rule: string;
  readonly migration: string;
  /** The beginning of the statement. */
  readonly statement: string;
}

/** Statements that are harmless whatever they name. */
const HARMLESS =
  /^(CREATE (UNLOGGED )?TABLE|CREATE (OR REPLACE )?(FUNCTION|VIEW)|COMMENT ON|GRANT|REVOKE|ALTER TABLE|CREATE (UNIQUE )?INDEX|INSERT INTO|SELECT|SET LOCAL)\b/i;

interface Facts {
  readonly text: string;
  /** The table it changes, when that was there before this file. */
  readonly table: string | null;
  /** Of an ALTER TABLE, one each. */
  readonly actions: readonly string[];
}

/** In the order in which they are told. */
const rules: Readonly<Record<string, (facts: Facts) => boolean>> = {
  // The version before still names it.
  'takes-nothing-away': ({ text, actions }) =>
    /^(DROP|TRUNCATE)\b/i.test(text) ||
    /^ALTER \w+ .*\bRENAME\b/i.test(text) ||
    actions.some((action) => /^(DROP (?!CONSTRAINT\b)|RENAME\b|ALTER (COLUMN )?\w+ DROP DEFAULT)/i.test(action)),
  // The version before inserts without it.
  'new-columns-may-be-left-out': ({ table, actions }) =>
    table !== null &&
    actions.some(
      (action) => isNewColumn(action) && /\bNOT NULL\b/i.test(action) && !/\b(DEFAULT|GENERATED)\b/i.test(action),
    ),
  // PostgreSQL writes the whole table anew, or reads it, with everybody locked out.
  'rewrites-no-table': ({ table, actions }) =>
    table !== null &&
    actions.some(
      (action) =>
        /^ALTER (COLUMN )?\w+ (SET DATA )?TYPE\b/i.test(action) ||
        (isNewColumn(action) &&
          /\b(GENERATED|(small|big)?serial)\b|\bDEFAULT\b.*\b(random|gen_random_uuid|uuidv[47]|clock_timestamp|timeofday|nextval)\s*\(/i.test(
            action,
          )) ||
        /^SET (LOGGED|UNLOGGED|TABLESPACE|ACCESS METHOD)\b/i.test(action),
    ),
  'reads-no-table-to-check-it': ({ table, actions }) =>
    table !== null &&
    actions.some(
      (action) =>
        /\bSET NOT NULL\b/i.test(action) ||
        (/^ADD\b/i.test(action) &&
          /\b(CHECK|REFERENCES|FOREIGN KEY)\b/i.test(action) &&
          !/\bNOT VALID$/i.test(action)) ||
        /^ATTACH PARTITION\b/i.test(action),
    ),
  // CONCURRENTLY can't run in a transaction: such an index is made by a command of its own.
  'makes-no-index-on-what-is-in-use': ({ text, table, actions }) =>
    table !== null &&
    (/^CREATE (UNIQUE )?INDEX\b/i.test(text) ||
      actions.some(
        (action) => /^ADD\b.*\b(UNIQUE|PRIMARY KEY|EXCLUDE)\b/i.test(action) && !/\bUSING INDEX\b/i.test(action),
      )),
  // As many rows as there are: a command of its own, in parts.
  'moves-no-rows': ({ text, table }) =>
    /^(UPDATE|DELETE|MERGE|COPY|WITH)\b/i.test(text) || (table !== null && /^INSERT INTO .*\bSELECT\b/i.test(text)),
  'is-one-of-the-known-forms': ({ text }) =>
    !HARMLESS.test(text) && !/^(DROP|TRUNCATE|UPDATE|DELETE|MERGE|COPY|WITH|ALTER \w+ .*\bRENAME)\b/i.test(text),
};

/** One table's lock at a time: two that wait for each other's would stop everybody. */
const ONE_TABLE = 'changes-one-table-that-is-in-use';
/** What is checked in the transaction that adds it is checked with everybody locked out. */
const VALIDATED_LATER = 'validates-in-a-later-file';
/** One that is named before those that a database may have would never run there: the runner refuses. */
const IN_ORDER = 'comes-after-all-others';

export const migrationRules: readonly string[] = [...Object.keys(rules), ONE_TABLE, VALIDATED_LATER, IN_ORDER];

/** Findings in all files after `baseline`, which is the last one that nothing ran beside. */
export function checkMigrations(files: readonly MigrationFile[], baseline: string): readonly MigrationFinding[] {
  const baselineIndex = files.findIndex(({ name }) => name === baseline);
  return files.flatMap(({ name, text }, index) => {
    if (index <= baselineIndex) return [];
    const finding = (rule: string, statement: string): MigrationFinding => {
      return { rule, migration: name, statement: statement.slice(0, 80) };
    };
    const statements = splitStatements(text);
    const own = new Set(statements.flatMap((statement) => createdTable(statement) ?? []));
    const facts = statements.map((statement): Facts => {
      const table = changedTable(statement);
      const isTheirs = table !== null && !own.has(table);
      return { text: statement, table: isTheirs ? table : null, actions: isTheirs ? actionsOf(statement) : [] };
    });
    const found = facts.flatMap((fact) =>
      Object.entries(rules).flatMap(([rule, isBroken]) => (isBroken(fact) ? [finding(rule, fact.text)] : [])),
    );
    const tables = new Set(facts.flatMap(({ table }) => table ?? []));
    if (tables.size > 1) found.push(finding(ONE_TABLE, [...tables].join(', ')));
    const actions = facts.flatMap((fact) => fact.actions);
    const validated = actions.find((action) => /^VALIDATE\b/i.test(action));
    if (validated !== undefined && actions.some((action) => /^ADD\b/i.test(action))) {
      found.push(finding(VALIDATED_LATER, validated));
    }
    const before = files[index - 1];
    if (before !== undefined && numberOf(before.name) >= numberOf(name)) found.push(finding(IN_ORDER, name));
    return found;
  });
}

function numberOf(name: string): number {
  return Number(/^\d+/.exec(name)?.[0] ?? Number.NaN);
}

function isNewColumn(action: string): boolean {
  return /^ADD (COLUMN )?(?!CONSTRAINT\b|CHECK\b|UNIQUE\b|PRIMARY\b|FOREIGN\b|EXCLUDE\b)/i.test(action);
}

function createdTable(statement: string): string | null {
  return /^CREATE (?:UNLOGGED )?TABLE (?:IF NOT EXISTS )?(?:public\.)?(\w+)/i.exec(statement)?.[1] ?? null;
}

function changedTable(statement: string): string | null {
  const table = [
    /^ALTER TABLE (?:IF EXISTS )?(?:ONLY )?(?:public\.)?(\w+)/i,
    /^CREATE (?:UNIQUE )?INDEX .*?\bON (?:ONLY )?(?:public\.)?(\w+)/i,
    /^INSERT INTO (?:public\.)?(\w+)/i,
    /^CREATE TABLE .*\bPARTITION OF (?:public\.)?(\w+)/i,
  ];
  return table.map((pattern) => pattern.exec(statement)?.[1]).find((name) => name !== undefined) ?? null;
}

/** `ADD COLUMN a …, ADD COLUMN b …`, split where no parenthesis is open. */
function actionsOf(statement: string): readonly string[] {
  const [, list] = /^ALTER TABLE (?:IF EXISTS )?(?:ONLY )?[\w.]+ (.*)$/i.exec(statement) ?? [];
  if (list === undefined) return [];
  let depth = 0;
  const parts = [''];
  for (const character of list) {
    if (character === '(') depth += 1;
    if (character === ')') depth -= 1;
    if (character === ',' && depth === 0) parts.push('');
    else parts.push(`${parts.pop() ?? ''}${character}`);
  }
  return parts.map((part) => part.trim().replace(/^ADD COLUMN IF NOT EXISTS\b/i, 'ADD COLUMN'));
}

/** Each in one line, without comments; texts and bodies of functions are empty. */
function splitStatements(sql: string): readonly string[] {
  return sql
    .replaceAll(/\$(\w*)\$[\s\S]*?\$\1\$/g, "''")
    .replaceAll(/'(?:[^']|'')*'|--[^\n]*|\/\*[\s\S]*?\*\//g, (found) => (found.startsWith("'") ? "''" : ' '))
    .split(';')
    .map((statement) => statement.replaceAll(/\s+/g, ' ').trim())
    .filter((statement) => statement !== '');
}
