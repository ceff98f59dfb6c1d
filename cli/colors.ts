/** Colours, for people who look on: never in what programs read, never against their wish (no-color.org). */
import type { Terminal } from './terminal.ts';

export type Style = 'strong' | 'faint' | 'good' | 'doubtful' | 'bad';

/** Select Graphic Rendition (ECMA-48 section 8.3.117). */
const codes: Readonly<Record<Style, number>> = { strong: 1, faint: 2, good: 32, doubtful: 33, bad: 31 };

/** Words that a table or a list of facts shows in their own colour: states and outcomes. */
const styles: ReadonlyMap<string, Style> = new Map([
  ['active', 'good'],
  ['connecting', 'doubtful'],
  ['retrying', 'doubtful'],
  ['suspended', 'doubtful'],
  ['blocked', 'doubtful'],
  ['paused', 'doubtful'],
  ['revoking', 'doubtful'],
  ['reauthorization-required', 'bad'],
  ['connect-failed', 'bad'],
  ['revoked', 'faint'],
  ['ok', 'good'],
  ['warn', 'doubtful'],
  ['fail', 'bad'],
]);

/** Whether a stream's reader sees colours and wants them. */
export function wantsColors(
  stream: { readonly isTTY?: boolean },
  variables: Readonly<Record<string, string | undefined>>,
): boolean {
  return stream.isTTY === true && !variables.NO_COLOR && variables.TERM !== 'dumb';
}

export function paint({ hasColors }: Terminal, text: string, style: Style | undefined): string {
  return hasColors === true && style !== undefined ? `\u001b[${codes[style]}m${text}\u001b[0m` : text;
}

export function styleOf(word: string): Style | undefined {
  return styles.get(word);
}
