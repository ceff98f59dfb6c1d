import type { Context } from './route.ts';

/** A typed place in a request's state: one step fills it, later ones read it. */
export interface Slot<T> {
  set(ctx: Context, value: T): void;
  /** Throws when no earlier step filled it: a route whose checklist lacks a step. */
  get(ctx: Context): T;
  maybe(ctx: Context): T | undefined;
}

export function createSlot<T>(name: string): Slot<T> {
  const key = Symbol(name);
  const maybe = (ctx: Context): T | undefined => ctx.state[key] as T | undefined;
  return {
    set(ctx, value) {
      ctx.state[key] = value;
    },
    get(ctx) {
      const value = maybe(ctx);
      if (value === undefined) throw new Error(`this route has no step that provides: ${name}`);
      return value;
    },
    maybe,
  };
}
