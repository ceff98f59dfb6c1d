/** Something that whoever starts the stack can mend; the message says how. Exit code 1. */
export class StackProblem extends Error {
  override readonly name = 'StackProblem';
}
