const shape =
  /^(?<month>\d{1,2})\/(?<day>\d{1,2})\/(?<year>\d{4})\s+(?<hour>\d{1,2}):(?<minute>\d{2})(?::(?<second>\d{2}))?(?:\s*(?<half>[AP])M)?(?:\s*(?:UTC|GMT|Z))?$/i;

/**
 * A time in US format and UTC, such as `3/30/2027 1:11:11 PM`, in epoch milliseconds; null for everything else, days
 * that no calendar has among it. Without AM or PM the day has 24 hours. Concur's docs, Pre-2017 Authorization.
 */
export function parseLegacyDate(value: string): number | null {
  const parts = value.length <= 64 ? shape.exec(value.trim())?.groups : undefined;
  if (parts === undefined) return null;
  const hour = hourOf(Number(parts.hour), parts.half?.toUpperCase());
  const [month, day, year] = [Number(parts.month), Number(parts.day), Number(parts.year)];
  const [minute, second] = [Number(parts.minute), Number(parts.second ?? 0)];
  if (hour === null || minute > 59 || second > 59) return null;
  const date = new Date(Date.UTC(year, month - 1, day, hour, minute, second));
  // Years below 100 mean others to `Date.UTC`; nobody's token ends then.
  const isReal = date.getUTCFullYear() === year && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  return isReal ? date.getTime() : null;
}

/** 12 AM is midnight, 12 PM is noon. */
function hourOf(hour: number, half: string | undefined): number | null {
  if (half === undefined) return hour <= 23 ? hour : null;
  if (hour < 1 || hour > 12) return null;
  return (hour % 12) + (half === 'P' ? 12 : 0);
}
