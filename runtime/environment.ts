/**
 * Reading environment variables one by one, collecting everything that is wrong with them, so that whoever set
 * them is told all of it at once. Values of secrets are never quoted.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { z } from 'zod';

export type Variables = Readonly<Record<string, string | undefined>>;

export interface Problem {
  /** The variable, with the place inside it where it is structured. */
  readonly name: string;
  /** What is wrong and what to set. */
  readonly message: string;
}

export interface Environment {
  /** The parsed value, `fallback` when the variable is not set (or wrong: then a problem is on record). */
  read<T>(name: string, schema: z.ZodType<T, string>, fallback: T): T;
  /** The same for a secret, which may also be in the file that `{name}_FILE` names. */
  readSecret<T>(name: string, schema: z.ZodType<T, string>, fallback: T): T;
  /** Text of a secret from `{name}` or `{name}_FILE`; null when neither is set. */
  secretText(name: string): string | null;
  /** Whether the variable, or `{name}_FILE`, is set. */
  isSet(name: string): boolean;
  /** Whether nothing is wrong with any of these so far. */
  isSound(...names: readonly string[]): boolean;
  report(name: string, message: string): void;
  problems(): readonly Problem[];
}

export function createEnvironment(variables: Variables): Environment {
  const problems: Problem[] = [];
  const wrong = new Set<string>();
  const report = (name: string, message: string) => {
    wrong.add(name.split(/[.[:]/)[0] ?? name);
    problems.push({ name, message });
  };
  // An empty variable is what `${NAME:-}` of a compose file leaves behind: not set.
  const textOf = (name: string): string | null => {
    const text = variables[name]?.trim() ?? '';
    return text === '' ? null : text;
  };
  const secretText = (name: string): string | null => {
    const text = textOf(name);
    const path = textOf(`${name}_FILE`);
    if (text !== null && path !== null) report(name, `is set twice; set ${name} or ${name}_FILE, not both`);
    if (text !== null || path === null) return text;
    const content = readText(path);
    if (content.ok && content.text !== '') return content.text;
    report(`${name}_FILE`, content.ok ? 'names an empty file' : `names a file that can't be read (${content.why})`);
    // The message about the file is enough: the name itself counts as wrong, not as missing.
    wrong.add(name);
    return null;
  };
  const parse = <T>(
    name: string,
    text: string | null,
    schema: z.ZodType<T, string>,
    fallback: T,
    quote: boolean,
  ): T => {
    if (text === null) return fallback;
    const result = schema.safeParse(text);
    if (result.success) return result.data;
    for (const issue of result.error.issues) {
      const value =
        quote && issue.path.length === 0 && !/^[[{]/.test(text) ? ` (it is ${JSON.stringify(shorten(text))})` : '';
      report([name, ...issue.path].join('.'), issue.message + value);
    }
    return fallback;
  };

  return {
    read: (name, schema, fallback) => parse(name, textOf(name), schema, fallback, true),
    readSecret: (name, schema, fallback) => parse(name, secretText(name), schema, fallback, false),
    secretText,
    isSet: (name) => textOf(name) !== null || textOf(`${name}_FILE`) !== null,
    isSound: (...names) => names.every((name) => !wrong.has(name)),
    report,
    problems: () => problems,
  };
}

export type FileText = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly why: string };

/** The trimmed text of a file, or the system's word for why it can't be read (`ENOENT`). */
export function readText(path: string): FileText {
  try {
    return { ok: true, text: readFileSync(resolve(path), 'utf8').trim() };
  } catch (error) {
    return { ok: false, why: error instanceof Error && 'code' in error ? String(error.code) : 'unreadable' };
  }
}

function shorten(text: string): string {
  return text.length <= 60 ? text : `${text.slice(0, 57)}…`;
}
