import type { Next, ParameterizedContext } from 'koa';
import type { Operation } from './schemas/operation.ts';

/** Facts that the router adds to a context once a route was found. */
export interface RouteFacts {
  params: Record<string, string>;
  /** Layers whose path fits, whatever their method. */
  matched?: readonly { readonly path: string | RegExp; readonly methods: readonly string[] }[];
  _matchedRoute?: string | RegExp;
}

/** What middleware hands on lies in typed slots (`slot.ts`), never in loose properties. */
export type RequestState = Record<symbol, unknown>;

export type Context = ParameterizedContext<RequestState, RouteFacts>;

/** One named step of a route's checklist. */
export type Step = (ctx: Context, next: Next) => Promise<void> | void;

/** A route: what it takes and gives is in `operation`, what it does in `steps`, in this order. */
export interface Route {
  readonly method: 'get' | 'post' | 'patch';
  /** Pattern such as `/v1/apps/:app/connections`; also the `route` label of the metrics. */
  readonly path: string;
  readonly steps: readonly Step[];
  /** Absent for pages. */
  readonly operation?: Operation;
}

/** Groups of routes that a listener may serve. */
export const routeGroups = ['connect', 'partner', 'ops'] as const;
export type RouteGroup = (typeof routeGroups)[number];
