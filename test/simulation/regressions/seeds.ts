/**
 * Seeds that once broke an invariant, with what they told. A seed is a story only with the code of its day: where the
 * story itself must stay told, a test beside this list tells it step by step.
 */
export interface Regression {
  readonly seed: number;
  readonly story: string;
}

const gateway = 'a gateway answered 502 or 504, or garbled a 200, while Concur rotated: the end read as a disconnect';

export const regressions: readonly Regression[] = [
  { seed: 90, story: gateway },
  { seed: 174, story: gateway },
  { seed: 252, story: gateway },
  { seed: 293, story: gateway },
  { seed: 299, story: gateway },
  { seed: 324, story: gateway },
  { seed: 332, story: gateway },
  { seed: 365, story: gateway },
];
