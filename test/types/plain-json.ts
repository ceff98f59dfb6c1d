/**
 * `T` where everything in it survives `JSON.stringify` and back; anything else (functions and so instances of classes,
 * `Date`, `bigint`, `unknown`) becomes `never`.
 */
export type PlainJson<T> = T extends string | number | boolean | null | undefined
  ? T
  : T extends (...args: never[]) => unknown
    ? never
    : T extends object
      ? { [Key in keyof T]: PlainJson<T[Key]> }
      : never;
