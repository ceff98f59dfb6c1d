/** A time as the legacy endpoints write it: US format, UTC, `3/30/2027 1:11:11 PM`. */
export function formatLegacyDate(atMs: number): string {
  const date = new Date(atMs);
  const hour = date.getUTCHours();
  const twoDigits = (value: number): string => String(value).padStart(2, '0');
  const day = `${date.getUTCMonth() + 1}/${date.getUTCDate()}/${date.getUTCFullYear()}`;
  const time = `${hour % 12 || 12}:${twoDigits(date.getUTCMinutes())}:${twoDigits(date.getUTCSeconds())}`;
  return `${day} ${time} ${hour < 12 ? 'AM' : 'PM'}`;
}
