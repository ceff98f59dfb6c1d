import { faultSchema, isAlteration, isWait } from './fault-schema.ts';
import type { Alteration, FaultInput, FaultMatch, FaultSpec, Outcome } from './fault-schema.ts';
import { SandboxProblem } from './model/problem.ts';
import type { CallSubject } from './protocol/concur-service.ts';
import type { Endpoint } from './protocol/wire.ts';

export type FaultableCall = CallSubject & { readonly endpoint: Endpoint; readonly dataCentre: string };

/** A fault that is on, as its maker holds it. */
export interface FaultHandle {
  readonly id: string;
  readonly spec: FaultSpec;
  /** How many calls it has hit. */
  hits(): number;
  /** Resolves when it has hit that many calls; rejects after the time-out. */
  waitForHits(count?: number, timeoutMs?: number): Promise<void>;
  /** Lets go the calls that a `hold` keeps, and takes the fault away. */
  release(): void;
  /** Takes the fault away. */
  remove(): void;
}

export type PlannedWait =
  | { readonly kind: 'delay'; readonly ms: number }
  | { readonly gate: Promise<void>; readonly kind: 'hold' };

/** What is to happen to one call. */
export interface FaultPlan {
  readonly kinds: readonly string[];
  readonly before: readonly PlannedWait[];
  readonly outcome: Outcome | null;
  readonly alterations: readonly Alteration[];
  readonly after: readonly PlannedWait[];
}

interface ActiveFault {
  readonly id: string;
  readonly spec: FaultSpec;
  readonly gate: Promise<void>;
  readonly openGate: () => void;
  left: number;
  toSkip: number;
  hits: number;
}

/** The faults that are on, in the order in which they were switched on. */
export class FaultRegistry {
  readonly #faults = new Map<string, ActiveFault>();
  readonly #watchers = new Set<() => void>();
  #serial = 0;

  add(input: FaultInput): FaultHandle {
    const parsed = faultSchema.safeParse(input);
    if (!parsed.success) throw new SandboxProblem('invalid', describeIssues(parsed.error.issues));
    const spec = parsed.data;
    let openGate = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      openGate = resolve;
    });
    const id = `fault-${++this.#serial}`;
    const left = spec.times === 'always' ? Number.POSITIVE_INFINITY : spec.times;
    const fault: ActiveFault = { id, spec, gate, openGate, left, toSkip: spec.skip, hits: 0 };
    this.#faults.set(id, fault);
    return {
      id,
      spec,
      hits: () => fault.hits,
      waitForHits: (count = 1, timeoutMs = 10_000) => this.#waitForHits(fault, count, timeoutMs),
      release: () => this.#end(fault),
      remove: () => this.#end(fault),
    };
  }

  list(): readonly {
    readonly id: string;
    readonly spec: FaultSpec;
    readonly hits: number;
    readonly left: number | 'always';
  }[] {
    return [...this.#faults.values()]
      .filter((fault) => fault.left > 0)
      .map(({ id, spec, hits, left }) => ({ id, spec, hits, left: Number.isFinite(left) ? left : 'always' }));
  }

  /** Takes a fault away; calls that it holds go on. */
  remove(id: string): void {
    const fault = this.#faults.get(id);
    if (fault === undefined) throw new SandboxProblem('not-found', `there is no fault ${id}`);
    this.#end(fault);
  }

  clear(): void {
    for (const fault of this.#faults.values()) this.#end(fault);
  }

  /** Decides what happens to a call, and counts it against the faults that hit it. */
  take(call: FaultableCall): FaultPlan {
    const plan = {
      kinds: [] as string[],
      before: [] as PlannedWait[],
      alterations: [] as Alteration[],
      after: [] as PlannedWait[],
    };
    let outcome: Outcome | null = null;
    for (const fault of this.#faults.values()) {
      if (fault.left <= 0 || !isHit(fault.spec.match, call)) continue;
      const { spec } = fault;
      const decides = !isWait(spec) && !isAlteration(spec);
      if (decides && outcome !== null) continue;
      if (fault.toSkip > 0) {
        fault.toSkip -= 1;
        continue;
      }
      fault.left -= 1;
      fault.hits += 1;
      plan.kinds.push(spec.kind);
      if (isWait(spec)) plan[spec.when].push(spec.kind === 'hold' ? { kind: 'hold', gate: fault.gate } : spec);
      else if (isAlteration(spec)) plan.alterations.push(spec);
      else outcome = spec;
      // A hold stays on file until it is released; everything else is forgotten when it is spent.
      if (fault.left === 0 && spec.kind !== 'hold') this.#faults.delete(fault.id);
    }
    for (const watcher of [...this.#watchers]) watcher();
    return { ...plan, outcome };
  }

  #end(fault: ActiveFault): void {
    fault.left = 0;
    fault.openGate();
    this.#faults.delete(fault.id);
  }

  #waitForHits(fault: ActiveFault, count: number, timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const check = (): void => {
        if (fault.hits < count) return;
        clearTimeout(timer);
        this.#watchers.delete(check);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#watchers.delete(check);
        reject(
          new Error(
            `fault ${fault.id} (${fault.spec.kind}) has hit ${fault.hits} of ${count} calls in ${timeoutMs} ms`,
          ),
        );
      }, timeoutMs);
      this.#watchers.add(check);
      check();
    });
  }
}

/** Every issue of a failed parse in one sentence. */
export function describeIssues(
  issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[],
): string {
  return issues.map((issue) => `${issue.path.map(String).join('.') || 'body'}: ${issue.message}`).join('; ');
}

function isHit(match: FaultMatch, call: FaultableCall): boolean {
  const principal = match.principalId?.toLowerCase();
  return (
    (match.endpoint === undefined || match.endpoint === call.endpoint) &&
    (match.dataCentre === undefined || match.dataCentre === call.dataCentre) &&
    (match.clientId === undefined || match.clientId === call.clientId) &&
    (match.grantType === undefined || match.grantType === call.grantType) &&
    (principal === undefined || principal === call.principalId || principal === call.companyId)
  );
}
