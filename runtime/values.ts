/** Schemas of single environment variables: text in, typed value out. Each message says what the value must be. */
import { z } from 'zod';
import { formatDuration, parseDuration } from './duration.ts';
import { isAddressRange } from './network.ts';

/** A schema that reads text with `parse` (null: wrong) and says `must be {expected}` otherwise. */
export function text<T>(expected: string, parse: (value: string) => T | null): z.ZodType<T, string> {
  return z.string().transform((value, context) => {
    const parsed = parse(value);
    if (parsed !== null) return parsed;
    context.addIssue({ code: 'custom', message: `must be ${expected}` });
    return z.NEVER;
  });
}

export const port = text('a port, 0 to 65535 (0 takes a free one)', (value) =>
  /^\d{1,5}$/.test(value) && Number(value) <= 65_535 ? Number(value) : null,
);

export const hostName = text('a host name or an address to listen on', (value) =>
  /^[A-Za-z0-9.:_-]{1,253}$/.test(value) ? value : null,
);

export function oneOf<const T extends string>(...values: readonly T[]): z.ZodType<T, string> {
  return text(`one of ${values.join(', ')}`, (value) => values.find((known) => known === value) ?? null);
}

export function listOf<const T extends string>(...values: readonly T[]): z.ZodType<readonly T[], string> {
  return text(`a list of ${values.join(', ')}, separated by commas`, (value) => {
    const known = splitList(value).map((item) => values.find((one) => one === item));
    const found = known.filter((item) => item !== undefined);
    return found.length > 0 && found.length === known.length ? [...new Set(found)] : null;
  });
}

/** Milliseconds. */
export function duration(leastMs: number, mostMs: number, example: string): z.ZodType<number, string> {
  return text(
    `a duration such as ${example}, from ${formatDuration(leastMs)} to ${formatDuration(mostMs)}`,
    (value) => {
      const ms = parseDuration(value);
      return ms !== null && ms >= leastMs && ms <= mostMs ? ms : null;
    },
  );
}

export function number(least: number, most: number): z.ZodType<number, string> {
  return text(`a number from ${least} to ${most}`, (value) =>
    /^\d+(\.\d+)?$/.test(value) && Number(value) >= least && Number(value) <= most ? Number(value) : null,
  );
}

export const addressRanges = text(
  'IP addresses or ranges such as 10.0.0.0/8, separated by commas',
  (value): readonly string[] | null => {
    const items = splitList(value);
    return items.length > 0 && items.every(isAddressRange) ? items : null;
  },
);

export const hostNames = text('host names, separated by commas', (value): readonly string[] | null => {
  const items = splitList(value.toLowerCase());
  return items.length > 0 && items.every((item) => /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(item)) ? items : null;
});

export const anyText = text('text', (value) => value);

export const postgresUrl = text('a URL such as postgres://user:password@host:5432/database', (value) => {
  const url = URL.canParse(value) ? new URL(value) : null;
  if (url === null || !['postgres:', 'postgresql:'].includes(url.protocol)) return null;
  // Without a host libraries take one from elsewhere; a socket's folder is given as ?host=.
  return url.host !== '' || url.searchParams.has('host') ? value : null;
});

export const proxyUrl = text('a URL such as http://proxy:3128', (value) => {
  const url = URL.canParse(value) ? new URL(value) : null;
  return url !== null && ['http:', 'https:'].includes(url.protocol) ? value : null;
});

export const temporalAddress = text('an address such as temporal.example:7233', (value) => {
  const [, ownPort] = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})$/.exec(value) ?? [];
  return ownPort !== undefined && Number(ownPort) <= 65_535 ? value : null;
});

/** Origin of the API as browsers see it, without a slash at its end; https outside development. */
export function publicUrl(development: boolean): z.ZodType<string, string> {
  const expected = `${development ? 'an' : 'an https'} origin such as https://connect.example.com, without path`;
  return text(expected, (value) => {
    const url = URL.canParse(value) ? new URL(value) : null;
    if (url === null || value.replace(/\/$/, '').toLowerCase() !== url.origin) return null;
    return url.protocol === 'https:' || (url.protocol === 'http:' && development) ? url.origin : null;
  });
}

/** Count and share; more than the larger of the two is too many. */
export const massDeathLimit = text('a count and a share such as 5,0.01', (value) => {
  const [, count, share] = /^(\d{1,9})\s*,\s*([01](?:\.\d+)?|\.\d+)$/.exec(value) ?? [];
  return count === undefined || Number(share) > 1 ? null : { count: Number(count), share: Number(share) };
});

/** Temporal's names: task queues and namespaces. */
export const temporalName = text('letters, digits, dots, dashes and underscores', (value) =>
  /^[A-Za-z0-9._-]{1,200}$/.test(value) ? value : null,
);

/** Of a Worker Deployment. Temporal's Worker Controller names them `{namespace}/{name}`; a dot or colon would end it. */
export const deploymentName = text('letters, digits, dashes, underscores and slashes', (value) =>
  /^[A-Za-z0-9_/-]{1,200}$/.test(value) ? value : null,
);

/** Text that is JSON, judged by `schema`. */
export function json<T>(schema: z.ZodType<T>): z.ZodType<T, string> {
  return z
    .string()
    .transform((value, context): unknown => {
      try {
        return JSON.parse(value);
      } catch {
        context.addIssue({ code: 'custom', message: 'must be JSON' });
        return z.NEVER;
      }
    })
    .pipe(schema);
}

function splitList(value: string): readonly string[] {
  return value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}
