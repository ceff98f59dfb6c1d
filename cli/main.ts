#!/usr/bin/env node
/** `evergrant`: the operator's command line. */
import { userInfo } from 'node:os';
import { currentVariables } from '../runtime/config.ts';
import { wantsColors } from './colors.ts';
import { runCli } from './run.ts';

// A reader that has seen enough (`| head`) is no failure.
process.stdout.on('error', () => process.exit(0));

const variables = currentVariables();

process.exitCode = await runCli(process.argv.slice(2), variables, {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  ...(process.stderr.isTTY && { progress: (text: string) => void process.stderr.write(`\r\u001b[2K${text}`) }),
  hasColors: wantsColors(process.stdout, variables),
  input: process.stdin,
  user: userName(),
});

/** A container's user may have a number and no name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid-${process.getuid?.() ?? 'unknown'}`;
  }
}
