export type SandboxProblemKind = 'invalid' | 'not-found' | 'forbidden' | 'conflict';

/** A command to the sandbox itself (not to Concur) that cannot be carried out; the message says why. */
export class SandboxProblem extends Error {
  override readonly name = 'SandboxProblem';
  readonly kind: SandboxProblemKind;

  constructor(kind: SandboxProblemKind, message: string) {
    super(message);
    this.kind = kind;
  }
}
