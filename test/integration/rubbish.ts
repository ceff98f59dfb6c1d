/** Everything that a request can be made of, sound and unsound, as arbitraries. */
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';

const anyCodeUnits = fc
  .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 20 })
  .map((units) => String.fromCharCode(...units));

/** Texts, some of which have broken programs before. */
export const junk: fc.Arbitrary<string> = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
  anyCodeUnits,
  fc.constantFrom(
    '',
    ' ',
    '.',
    '..',
    '../..',
    '%',
    '%00',
    '\0',
    '\ud800',
    '\udc00x',
    '\ufeff',
    '\u202e',
    '🦄'.repeat(50),
    'null',
    'undefined',
    'true',
    '-1',
    'NaN',
    '1e999',
    '9'.repeat(400),
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    "' OR 1=1 --",
    '$1',
    '{{7*7}}',
    '<script>alert(1)</script>',
    '"><img src=x>',
    '00000000-0000-0000-0000-000000000000',
    'a'.repeat(5_000),
    Buffer.from('{"id":null}').toString('base64url'),
    Buffer.from('["a","b"]').toString('base64url'),
  ),
);

/** For a part of a path or query: encoded as it should be, too much, or wrongly. */
export function encoded(text: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 4, arbitrary: text.map((given) => encodeURIComponent(given.replaceAll(/\p{Cs}/gu, '\ufffd'))) },
    { weight: 1, arbitrary: text.map(percentEncode) },
    {
      weight: 1,
      arbitrary: fc.constantFrom('%', '%zz', '%E0%A4%A', '%00', '%2F', '%2e%2e', '%C0%AF', '%ED%A0%80', ';x'),
    },
  );
}

/** Every byte, the letters too. */
function percentEncode(text: string): string {
  return [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
}

/** What fits into a header's line: Latin-1 without ends of lines. */
const headerText = junk.map((text) =>
  text.replace(/[^\x20-\x7e\xa0-\xff]/g, (character) => (character === '\0' ? '\x01' : 'ÿ')),
);

const headersOfRequests = [
  'Accept',
  'Accept-Language',
  'Accept-Encoding',
  'Content-Encoding',
  'Content-Type',
  'Cookie',
  'Expect',
  'Forwarded',
  'Host',
  'Idempotency-Key',
  'If-None-Match',
  'Origin',
  'Range',
  'Referer',
  'Traceparent',
  'Upgrade',
  'X-Forwarded-For',
  'X-Forwarded-Host',
  'X-HTTP-Method-Override',
  'X-Request-Id',
  '__proto__',
] as const;

const oddValues = fc.constantFrom(
  '*/*;q=0',
  'text/html;q=x, application/json;q=2',
  `${'a/b,'.repeat(500)}*/*`,
  'application/json; charset=utf-16',
  'application/json; charset="utf-8"; charset=latin1',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'gzip, br',
  'de-DE-1996,*;q=0.1',
  '127.0.0.1, ::1, [::1]:80, unknown',
  'x:99999',
  '[::1',
  'user@host:80/path?x#y',
  'evergrant_=; evergrant_x=y; =; ;;',
  '100-continue',
  'bytes=0-0,9-1',
  'websocket',
  'DELETE',
);

export const oddHeaders: fc.Arbitrary<readonly (readonly [string, string])[]> = fc.array(
  fc.tuple(fc.constantFrom(...headersOfRequests), fc.oneof(headerText, oddValues)),
  { maxLength: 3 },
);

/** Parameters that some route knows, with values that it may not. */
export function query(names: readonly string[]): fc.Arbitrary<string> {
  const value = fc.oneof(
    encoded(junk),
    fc.constantFrom('1', '50', 'active', 'us2', 'workflow', '1800', 'c-1', '+', '&', '='),
  );
  const pair = fc
    .tuple(fc.constantFrom(...names, '__proto__', 'x[]', ''), value)
    .map(([name, text]) => `${name}=${text}`);
  return fc.oneof(
    { weight: 2, arbitrary: fc.constant('') },
    { weight: 3, arbitrary: fc.array(pair, { minLength: 1, maxLength: 4 }).map((pairs) => `?${pairs.join('&')}`) },
    {
      weight: 1,
      arbitrary: fc.constantFrom('?', '??', '?&&', '?%', '?limit=1&limit=1', `?${'x=1&'.repeat(1_000)}`, '?cursor'),
    },
  );
}

/** JSON as text, so that it can hold what no value of this language does. */
const oddJson = fc.oneof(
  junk.map((text) => JSON.stringify(text)),
  fc.json({ maxDepth: 2 }),
  fc.constantFrom(
    '1e999',
    '-0',
    '1.5',
    '9007199254740993',
    '9'.repeat(400),
    '"\\ud800"',
    '"\\u0000"',
    'null',
    'true',
    '[]',
    '{}',
    `${'['.repeat(2_000)}${']'.repeat(2_000)}`,
    '{"__proto__":{"polluted":true}}',
    '{"toJSON":1,"then":1,"valueOf":null}',
  ),
);

const brokenJson = fc.constantFrom(
  '',
  ' ',
  '{',
  '[]',
  'null',
  '7',
  '"text"',
  '{"a":1,}',
  "{'a':1}",
  '{"a":NaN}',
  '\ufeff{}',
  '{}{}',
  '['.repeat(60_000),
  `{"a":${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}}`,
);

const overlong = Buffer.from(`{"reason":"${'x'.repeat(70_000)}"}`);

/** Fields of `sound`, of which some are missing, wrong, doubled, or more than there should be. */
export function jsonBody(sound: Readonly<Record<string, unknown>>, names: readonly string[]): fc.Arbitrary<string> {
  const odd = fc.tuple(fc.constantFrom(...names, ...Object.keys(sound), '__proto__', 'constructor', ''), oddJson);
  return fc
    .tuple(
      fc.subarray(Object.entries(sound).map(([name, value]) => [name, JSON.stringify(value)] as const)),
      fc.array(odd, { maxLength: 2 }),
    )
    .map(
      ([kept, added]) =>
        `{${[...kept, ...added].map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(',')}}`,
    );
}

/** Bodies of any kind: the sound ones most of the time. */
export function bytes(text: fc.Arbitrary<string>): fc.Arbitrary<Uint8Array | null> {
  return fc.oneof(
    { weight: 8, arbitrary: text.map((given) => Buffer.from(given)) },
    { weight: 2, arbitrary: brokenJson.map((given) => Buffer.from(given)) },
    { weight: 1, arbitrary: text.map((given) => gzipSync(given)) },
    { weight: 1, arbitrary: text.map((given) => Buffer.from(given, 'utf16le')) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 50 }) },
    { weight: 1, arbitrary: fc.constant(overlong) },
    { weight: 1, arbitrary: fc.constant(null) },
  );
}

export function form(sound: Readonly<Record<string, string>>): fc.Arbitrary<string> {
  const odd = fc.tuple(fc.constantFrom('csrf', 'code', 'ticket', '__proto__', ''), encoded(junk));
  return fc
    .tuple(fc.subarray(Object.entries(sound)), fc.array(odd, { maxLength: 2 }))
    .map(([kept, added]) => [...kept, ...added].map(([name, value]) => `${name}=${value}`).join('&'));
}

export const methods = fc.constantFrom('GET', 'HEAD', 'POST', 'PATCH', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND');

/** Nothing that a route has been written for. */
export const oddTargets: fc.Arbitrary<string> = fc.oneof(
  junk.map((text) => `/${text.replace(/[\s\0]/g, '')}`),
  encoded(junk).map((text) => `/v1/apps/${text}`),
  encoded(junk).map((text) => `/connect/${text}`),
  encoded(junk).map((text) => `/assets/${text}/${text}`),
  fc.constantFrom(
    '*',
    '//',
    '///connect/demo',
    '/connect',
    '/connect/../metrics',
    '/./healthz',
    '/v1/apps/demo/connections/..',
    '/v1//apps',
    'http://x/metrics',
    'http://[::bad/connect/demo',
    'http://x:99999/connect/demo?id=1',
    'x',
    '?x',
    '#',
    `/${'a'.repeat(10_000)}`,
    '/connect/demo#/progress',
    '/connect/demo;x=1',
    '/connect%2Fdemo',
    '\\\\x',
  ),
);
