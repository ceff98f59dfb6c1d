const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `90s`, `5m`, `24h`, `30d`, `250ms` (fractions too) in milliseconds; null for anything else. */
export function parseDuration(text: string): number | null {
  const [, amount, unit] = /^(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|d)$/.exec(text) ?? [];
  if (amount === undefined || unit === undefined) return null;
  return Math.round(Number(amount) * unitMs[unit as keyof typeof unitMs]);
}

/** The same the other way round, in the largest unit that leaves nothing over. */
export function formatDuration(ms: number): string {
  const units = Object.entries(unitMs).toReversed();
  const [unit, size] = units.find(([, length]) => ms > 0 && ms % length === 0) ?? ['s', unitMs.s];
  return `${ms / size}${unit}`;
}
