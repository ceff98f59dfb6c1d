/** Output for people (tables, lists of facts) and for programs (JSON). */
import type { ConnectionResource } from '../core/connection-resource.ts';
import { paint, styleOf } from './colors.ts';
import type { Terminal } from './terminal.ts';

type Cell = string | number | boolean | null;

/** Names from outside must not speak the terminal's own language. */
function clean(cell: Cell): string {
  if (cell === null || cell === '') return '-';
  return String(cell).replace(/\p{Cc}|\p{Cf}/gu, '\uFFFD');
}

/** Columns as wide as their widest cell. */
export function printTable(terminal: Terminal, header: readonly string[], rows: readonly (readonly Cell[])[]): void {
  const lines = [header.map((name) => name.toUpperCase()), ...rows.map((row) => row.map(clean))];
  const widths = header.map((_, column) => Math.max(...lines.map((line) => [...(line[column] ?? '')].length)));
  for (const [index, line] of lines.entries()) {
    const cells = line.map((cell, column) => {
      const isLast = column === line.length - 1;
      const padding = isLast ? '' : ' '.repeat((widths[column] ?? 0) - [...cell].length);
      return paint(terminal, cell, index === 0 ? 'strong' : styleOf(cell)) + padding;
    });
    terminal.out(`${cells.join('  ')}\n`);
  }
}

/** One fact a line. */
export function printFacts(terminal: Terminal, facts: readonly (readonly [string, Cell])[]): void {
  const width = Math.max(...facts.map(([name]) => name.length));
  for (const [name, value] of facts) {
    const text = clean(value);
    terminal.out(`${paint(terminal, name.padEnd(width), 'faint')}  ${paint(terminal, text, styleOf(text))}\n`);
  }
}

export function printJson(terminal: Terminal, value: unknown): void {
  terminal.out(`${JSON.stringify(value, null, 2)}\n`);
}

export function printConnections(
  terminal: Terminal,
  items: readonly ConnectionResource[],
  nextCursor: string | null,
): void {
  const header = ['principal', 'company', 'customer', 'state', 'since', 'data centre', 'upkeep', 'next refresh'];
  const rows = items.map((item) => [
    item.principal_id,
    item.company?.name ?? null,
    item.customer_ref,
    item.state,
    item.state_since,
    item.data_center,
    item.upkeep,
    item.next_refresh_at,
  ]);
  printTable(terminal, header, rows);
  printMore(terminal, nextCursor);
}

export function printConnection(terminal: Terminal, { company, last_error, ...rest }: ConnectionResource): void {
  const facts = Object.entries(rest).map(([name, value]) => [name.replaceAll('_', ' '), value] as const);
  printFacts(terminal, [
    ...facts,
    ['company', company === null ? null : [company.name, company.domain].filter(Boolean).join(', ')],
    ...(last_error === null
      ? ([['last error', null]] as const)
      : ([
          ['last error', `${last_error.code} at ${last_error.at}`],
          ['  concur code', last_error.concur_code],
          ['  correlation id', last_error.correlation_id],
        ] as const)),
  ]);
}

interface EventLine {
  readonly at: string;
  readonly type: string;
  readonly actor: string;
  readonly reason: string | null;
  readonly state_from: string | null;
  readonly state_to: string | null;
  readonly version: number;
  readonly concur_code: number | null;
  readonly correlation_id: string | null;
}

export function printEvents(terminal: Terminal, items: readonly EventLine[], nextCursor: string | null): void {
  const header = ['at', 'type', 'actor', 'reason', 'change', 'version', 'concur', 'correlation id'];
  const rows = items.map((item) => [
    item.at,
    item.type,
    item.actor,
    item.reason,
    item.state_to === null ? null : `${item.state_from ?? 'nothing'} -> ${item.state_to}`,
    item.version,
    item.concur_code,
    item.correlation_id,
  ]);
  printTable(terminal, header, rows);
  printMore(terminal, nextCursor);
}

function printMore(terminal: Terminal, nextCursor: string | null): void {
  if (nextCursor !== null) terminal.err(`There is more: --cursor ${nextCursor}\n`);
}
