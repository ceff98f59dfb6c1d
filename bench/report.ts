/** A table for people, then everything as JSON. */
import { type Claim, type Findings, isMet } from './benchmark.ts';
import type { Machine } from './machine.ts';

export interface Report extends Findings {
  readonly name: string;
  readonly isQuick: boolean;
  readonly seconds: number;
  readonly at: string;
  readonly machine: Machine;
}

export function printReport(report: Report): void {
  const { name, machine, claims, notes, isQuick, seconds } = report;
  console.log(`\n${name}${isQuick ? ' (quick)' : ''}, ${seconds} s`);
  console.log(
    `${machine.cores} cores (${machine.processor}), ${machine.memoryGb} GB, Node ${machine.node}, ` +
      `load ${machine.loadAtStart} at start, ${machine.loadAtEnd} at end\n`,
  );
  const rows = claims.map((claim) => [claim.what, measured(claim), target(claim), verdict(claim)]);
  printTable([['', 'median (least to most)', 'target', ''], ...rows]);
  for (const note of notes) console.log(`\n${note}`);
  const judged = claims.map((claim) => ({ ...claim, isMet: isMet(claim) }));
  console.log(`\n${JSON.stringify({ ...report, claims: judged }, null, 1)}`);
}

function measured({ measured: { median, least, most } }: Claim): string {
  return least === most ? short(median) : `${short(median)} (${short(least)} to ${short(most)})`;
}

function target({ target }: Claim): string {
  return target === null ? '' : `${target.sense} ${target.value}`;
}

function verdict(claim: Claim): string {
  const met = isMet(claim);
  if (met === null) return '';
  return met ? 'met' : 'MISSED';
}

/** Three digits that mean something. */
function short(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  return Math.abs(value) >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}

function printTable(rows: readonly (readonly string[])[]): void {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  for (const row of rows) {
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    );
  }
}
