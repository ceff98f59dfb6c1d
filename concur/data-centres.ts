/**
 * The configured data centres and legacy instances: the allow-list of every host that may see a secret.
 *
 * Guarantees: what comes from outside is compared, never parsed into something to be called. The base URI that is
 * used afterwards is the configured value itself, so that a hostile `geolocation` has no influence on any URL.
 */
import { AppError } from '../core/errors.ts';
import type { DataCentre, DataCentres } from '../core/ports.ts';

/** Concur's docs, Base URIs. `usg` is CCPS, the US government's; the `-impl` ones are for implementation companies. */
export const publishedDataCentres: Readonly<Record<string, string>> = {
  glz: 'https://glz.api.concursolutions.com',
  us2: 'https://us2.api.concursolutions.com',
  eu2: 'https://eu2.api.concursolutions.com',
  apj1: 'https://apj1.api.concursolutions.com',
  usg: 'https://usg.api.concursolutions.com',
  us: 'https://us.api.concursolutions.com',
  emea: 'https://emea.api.concursolutions.com',
  cn: 'https://cn.api.concurcdc.cn',
  'us-impl': 'https://us-impl.api.concursolutions.com',
  'emea-impl': 'https://emea-impl.api.concursolutions.com',
};

/** The data centre that obtains tokens for everybody: Concur's global landing zone. */
export const globalLandingZone = 'glz';

/** Name to base URI. */
type BaseUris = Readonly<Record<string, string>>;

interface Known extends BaseUri {
  readonly dataCentre: DataCentre;
}

interface BaseUri {
  /** Scheme, host in lower case, port with its default filled in. */
  readonly origin: string;
  /** Without empty segments at its end. */
  readonly segments: readonly string[];
}

/**
 * Knows the data centres of `table` and the legacy instances of `legacyTable` (name to base URI) and no others.
 *
 * @throws `configuration-invalid` when a value is not a plain http(s) base URI, or a name is in both tables.
 */
export function createDataCentres(table: BaseUris, legacyTable: BaseUris = {}): DataCentres {
  for (const name of namesInBoth(table, legacyTable)) {
    throw new AppError('configuration-invalid', `CONCUR_BASE_URIS and CONCUR_LEGACY_BASE_URIS both have "${name}".`, {
      details: { dataCentre: name },
    });
  }
  const dataCentres = readTable(table);
  const instances = readTable(legacyTable);
  const byName = new Map([...dataCentres, ...instances].map(({ dataCentre }) => [dataCentre.name, dataCentre]));

  return {
    byName(name) {
      const found = byName.get(name);
      if (found !== undefined) return found;
      throw new AppError('configuration-invalid', `CONCUR_BASE_URIS has no data centre "${name}".`, {
        details: { dataCentre: name },
      });
    },
    names: () => Object.keys(table),
    legacyNames: () => Object.keys(legacyTable),
    match: (geolocation) => matchIn(dataCentres, geolocation),
    matchLegacy: (instanceUrl) => matchIn(instances, instanceUrl),
  };
}

/** Names that stand for a data centre and for a legacy instance: whoever says one of them could mean either. */
export function namesInBoth(table: BaseUris, legacyTable: BaseUris): readonly string[] {
  return Object.keys(table).filter((name) => Object.hasOwn(legacyTable, name));
}

/** The most specific path first: of two values at one host the longer one is meant. */
function readTable(table: BaseUris): readonly Known[] {
  return Object.entries(table)
    .map(([name, baseUri]) => {
      const parsed = parseBaseUri(baseUri);
      if (parsed !== null) return { dataCentre: { name, baseUri }, ...parsed };
      throw new AppError('configuration-invalid', `The base URI of data centre "${name}" is not a plain http(s) URL.`);
    })
    .toSorted((a, b) => b.segments.length - a.segments.length);
}

function matchIn(known: readonly Known[], value: string): DataCentre | 'foreign' {
  const parsed = parseBaseUri(value);
  if (parsed === null) return 'foreign';
  const found = known.find(
    ({ origin, segments }) =>
      origin === parsed.origin && segments.every((segment, i) => segment === parsed.segments[i]),
  );
  return found?.dataCentre ?? 'foreign';
}

/** Whether a value can be the base URI of a data centre: scheme, host, port and path, written plainly. */
export function isBaseUri(value: string): boolean {
  return parseBaseUri(value) !== null;
}

/** Origins of all data centres and legacy instances, for the allow-list of the HTTP client. */
export function originsOf(dataCentres: DataCentres): readonly string[] {
  const names = [...dataCentres.names(), ...dataCentres.legacyNames()];
  return [...new Set(names.map((name) => new URL(dataCentres.byName(name).baseUri).origin))];
}

const shape = /^(https?):\/\/([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::(\d{1,5}))?(\/[\w.~/-]*)?$/i;
const defaultPorts: Readonly<Record<string, string>> = { http: '80', https: '443' };

/**
 * Reads a base URI without the generosity of a URL parser: no user info, query, fragment, escapes, dot segments,
 * backslashes, white space, other scripts or other spellings of an address. Null for everything else.
 */
function parseBaseUri(value: string): BaseUri | null {
  // `$` would let a line break through at the end; nothing published comes near this length.
  if (value.length > 512 || /\s/.test(value)) return null;
  const [, scheme, host, port, path = ''] = shape.exec(value) ?? [];
  if (scheme === undefined || host === undefined) return null;
  const segments = path.replace(/\/+$/, '').split('/').slice(1);
  if (segments.some((segment) => segment === '' || segment === '.' || segment === '..')) return null;
  const protocol = scheme.toLowerCase();
  return {
    origin: `${protocol}://${host.toLowerCase()}:${Number(port ?? defaultPorts[protocol])}`,
    segments,
  };
}
