import type { Command } from 'commander';
import type { Terminal } from './terminal.ts';
import type { Toolbox } from './toolbox.ts';

/** What the verbs share: where to write, what to work with, how to say that something is not done yet. */
export interface Bench {
  readonly terminal: Terminal;
  /** Opened on first use: wrong use is told without any configuration. */
  tools(): Toolbox;
  /** The verb did what it could; the same again, later, may find it done: exit code 75. */
  tryAgain(why: string): void;
  /** The verb did what it could, and some of it can't be done: exit code 1, or 75 where trying again helps as well. */
  fail(why: string): void;
}

/** Adds a verb to a noun. Every verb has `--json`. */
export function addVerb(noun: Command, usage: string, description: string): Command {
  return noun.command(usage).description(description).option('--json', 'print JSON for programs');
}
