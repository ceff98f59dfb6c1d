import { Readable } from 'node:stream';
import { runCli } from '../../cli/run.ts';

export interface CliResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** The output of a verb with `--json`. */
  json(): Record<string, unknown>;
}

/** Runs the command line in this process, as a person named `tester`. */
export async function evergrant(
  variables: Readonly<Record<string, string>>,
  argv: readonly string[],
  input = '',
): Promise<CliResult> {
  let out = '';
  let err = '';
  const code = await runCli(argv, variables, {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    input: Readable.from([input]),
    user: 'tester',
  });
  return { code, out, err, json: () => JSON.parse(out) };
}
