import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createDataCentres, publishedDataCentres } from '../../concur/data-centres.ts';

const table = { ...publishedDataCentres, local: 'http://127.0.0.1:9400/us2' };
const dataCentres = createDataCentres(table);
const values = Object.values(table);

/** What the platform's own parser makes of a string; null when it refuses. */
function urlOf(value: string): URL | null {
  return URL.canParse(value) ? new URL(value) : null;
}

const splinters = fc.constantFrom(
  '@',
  ':',
  '\\',
  '/',
  '//',
  '.',
  '..',
  '%2f',
  '?',
  '#',
  ' ',
  '\n',
  '\t',
  ':443',
  ':80',
);
const mangled = fc
  .tuple(fc.constantFrom(...values), fc.oneof(splinters, fc.string({ maxLength: 8, unit: 'binary' })), fc.nat(60))
  .map(([value, splinter, at]) => {
    const position = at % (value.length + 1);
    return value.slice(0, position) + splinter + value.slice(position);
  });

describe('a geolocation', () => {
  it('that is matched would be called at the very origin of the configured value, and below its path', () => {
    let matched = 0;
    fc.assert(
      fc.property(fc.oneof(mangled, fc.webUrl(), fc.string()), (geolocation) => {
        const match = dataCentres.match(geolocation);
        if (match === 'foreign') return;
        matched += 1;
        const url = urlOf(geolocation);
        const configured = new URL(match.baseUri);
        expect(url?.origin).toBe(configured.origin);
        expect(url?.username).toBe('');
        expect(`${url?.pathname}/`.startsWith(configured.pathname.replace(/\/?$/, '/'))).toBe(true);
        expect(values).toContain(match.baseUri);
      }),
      { numRuns: 20_000 },
    );
    expect(matched).toBeGreaterThan(100);
  });

  it('is recognised in every case of its host and with every path below', () => {
    const letters = fc.array(fc.boolean(), { minLength: 60, maxLength: 60 });
    const path = fc.array(fc.stringMatching(/^[a-z0-9_-]{1,6}$/), { maxLength: 3 });
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.entries(publishedDataCentres)),
        letters,
        path,
        ([name, value], upper, rest) => {
          const cased = [...value].map((letter, i) => (upper[i] ? letter.toUpperCase() : letter)).join('');
          expect(dataCentres.match([cased, ...rest].join('/'))).toEqual({ name, baseUri: value });
        },
      ),
    );
  });

  it('never makes the matcher throw', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (value) => dataCentres.match(value) !== undefined));
  });
});
