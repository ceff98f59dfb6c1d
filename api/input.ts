import type { z } from 'zod';
import { AppError } from '../core/errors.ts';
import { issueTexts } from '../runtime/issue-texts.ts';
import { readBody } from './read-body.ts';
import type { Step } from './route.ts';
import { createSlot, type Slot } from './slot.ts';

/** A validated part of the request: the step that reads it, and where later steps find it. */
export interface Input<T> {
  readonly read: Step;
  readonly get: Slot<T>['get'];
}

/** The query string: parameters that the schema names, each at most once; others are ignored. */
export function queryInput<S extends z.ZodObject>(schema: S): Input<z.infer<S>> {
  const slot = createSlot<z.infer<S>>('validated query');
  const names = Object.keys(schema.shape);
  // What most requests say: nothing. It is the same every time.
  let none: z.infer<S> | undefined;
  const parse = (text: string): z.infer<S> => parseInput(schema, collectOnce(new URLSearchParams(text), names));
  return {
    read(ctx, next) {
      slot.set(ctx, ctx.querystring === '' ? (none ??= parseInput(schema, {})) : parse(ctx.querystring));
      return next() as Promise<void>;
    },
    get: slot.get,
  };
}

/** A JSON body, or `{}` where none was sent; the schema says whether that will do. */
export function bodyInput<S extends z.ZodType>(schema: S): Input<z.infer<S>> {
  return parsedBody((body) => parseInput(schema, body));
}

/** The same where more than one schema may be meant: `parse` throws `bad-request`. */
export function parsedBody<T>(parse: (body: unknown) => T): Input<T> {
  const slot = createSlot<T>('validated body');
  return {
    async read(ctx, next) {
      const text = await readBody(ctx, ['application/json']);
      slot.set(ctx, parse(text === '' ? {} : parseJson(text)));
      await next();
    },
    get: slot.get,
  };
}

/** Values of the named parameters. Throws `bad-request` when one of them comes twice. */
function collectOnce(parameters: URLSearchParams, names: readonly string[]): Record<string, string> {
  const doubled = names.filter((name) => parameters.getAll(name).length > 1);
  if (doubled.length > 0) {
    throw new AppError('bad-request', `Given more than once: ${doubled.join(', ')}`, { details: { fields: doubled } });
  }
  return Object.fromEntries([...parameters].filter(([name]) => names.includes(name)));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's message quotes the body, which may hold secrets: it is left out, also as a cause.
    throw new AppError('bad-request', 'The body is no well-formed JSON.');
  }
}

/** Validates untrusted input. Throws `bad-request`; names what is wrong, quotes no value. */
export function parseInput<S extends z.ZodType>(schema: S, input: unknown): z.infer<S> {
  const parsed = schema.safeParse(input, issueTexts);
  if (parsed.success) return parsed.data;
  const wrong = parsed.error.issues.map((issue) => ({ field: fieldOf(issue), message: issue.message }));
  const detail = wrong.map(({ field, message }) => `${field}: ${message}`).join('; ');
  throw new AppError('bad-request', detail.slice(0, 1_000), { details: { fields: wrong.map(({ field }) => field) } });
}

function fieldOf(issue: z.core.$ZodIssue): string {
  return issue.path.length === 0 ? 'body' : issue.path.map(String).join('.');
}
