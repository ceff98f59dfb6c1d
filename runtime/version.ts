/** The version of this build, as package.json names it. */
import { readFileSync } from 'node:fs';

/** Sources lie one folder below package.json, compiled code two. */
const places = ['../package.json', '../../package.json'];

export function readVersion(): string {
  for (const place of places) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(place, import.meta.url), 'utf8'));
      if (name === 'evergrant' && typeof version === 'string') return version;
    } catch {
      // Not there: the next place.
    }
  }
  return 'unknown';
}
