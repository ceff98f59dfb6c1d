/** How the stack comes by a program that npm does not bring: an ordered list of places, the first that answers wins. */

export type Found = { readonly path: string } | { readonly why: string };

export interface ProgramSource {
  /** As it stands in the error that names all of them. */
  readonly name: string;
  /** Where a program that works lies, or why this place has none. */
  find(): Promise<Found>;
}

/** No source had the program. The message names every one with its reason and says what to do. */
export class ProgramNotFoundError extends Error {
  constructor(what: string, tried: readonly { readonly name: string; readonly why: string }[], advice: string) {
    const list = tried.map(({ name, why }) => `  ${name}: ${why}`).join('\n');
    super(`${what} was not found. Tried, in this order:\n${list}\n${advice}`);
    this.name = 'ProgramNotFoundError';
  }
}

/** Path of the program from the first source that has it. Throws {@link ProgramNotFoundError}. */
export async function findProgram(what: string, sources: readonly ProgramSource[], advice: string): Promise<string> {
  const tried: { name: string; why: string }[] = [];
  for (const source of sources) {
    const found = await source.find();
    if ('path' in found) return found.path;
    tried.push({ name: source.name, why: found.why });
  }
  throw new ProgramNotFoundError(what, tried, advice);
}
