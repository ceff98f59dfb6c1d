import type { z } from 'zod';

/** What a bearer token may be allowed to do. */
export const scopes = [
  'connections:read',
  'connections:write',
  'connections:refresh',
  'connections:connect',
  'tokens:read',
  'codes:write',
] as const;
export type Scope = (typeof scopes)[number];

/** An answer that is no error: every operation may also answer with a problem. */
export interface Answer {
  readonly status: number;
  readonly description: string;
  readonly body?: z.ZodType;
  /** `application/json` unless told otherwise. */
  readonly mediaType?: string;
  /** Names and descriptions of its headers, where they say something. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** One operation of the API: the schemas that validate it are the ones it is documented from. */
export interface Operation {
  readonly id: string;
  readonly summary: string;
  readonly description?: string;
  /** Absent: open to everybody. */
  readonly scope?: Scope;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  /** Request headers that mean something to it, in lower case. */
  readonly headers?: z.ZodObject;
  readonly body?: {
    readonly schema: z.ZodType;
    readonly isRequired: boolean;
    /** One that it takes. */
    readonly example: Readonly<Record<string, unknown>>;
  };
  readonly answers: readonly Answer[];
}
