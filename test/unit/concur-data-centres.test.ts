import { describe, expect, it } from 'vitest';
import { createDataCentres, originsOf, publishedDataCentres } from '../../concur/data-centres.ts';

const published = createDataCentres(publishedDataCentres);
const us2 = { name: 'us2', baseUri: 'https://us2.api.concursolutions.com' };

describe('the published data centres', () => {
  it('are the ten of the documentation', () => {
    expect(published.names()).toEqual(['glz', 'us2', 'eu2', 'apj1', 'usg', 'us', 'emea', 'cn', 'us-impl', 'emea-impl']);
    expect(published.byName('cn').baseUri).toBe('https://cn.api.concurcdc.cn');
  });

  it.each([
    'https://us2.api.concursolutions.com',
    'https://US2.API.CONCURSOLUTIONS.COM',
    'HTTPS://Us2.Api.ConcurSolutions.Com/',
    'https://us2.api.concursolutions.com/some/path',
    'https://us2.api.concursolutions.com:443/',
  ])('are recognised as Concur spells them: %s', (geolocation) => {
    expect(published.match(geolocation)).toEqual(us2);
  });

  it.each([
    ['a stranger', 'https://evil.example'],
    ['a browser twin', 'https://www-us2.api.concursolutions.com'],
    ['a longer host', 'https://us2.api.concursolutions.com.evil.example'],
    ['a longer first label', 'https://evilus2.api.concursolutions.com'],
    ['a host below', 'https://x.us2.api.concursolutions.com'],
    ['user info', 'https://us2.api.concursolutions.com@evil.example'],
    ['user info before the right host', 'https://a:b@us2.api.concursolutions.com'],
    ['another port', 'https://us2.api.concursolutions.com:8443'],
    ['a port that wraps around', 'https://us2.api.concursolutions.com:65979'],
    ['a trailing dot', 'https://us2.api.concursolutions.com./'],
    ['plain http', 'http://us2.api.concursolutions.com'],
    ['plain http at port 443', 'http://us2.api.concursolutions.com:443'],
    ['another scheme', 'ftp://us2.api.concursolutions.com'],
    ['no scheme', 'us2.api.concursolutions.com'],
    ['scheme-relative', '//us2.api.concursolutions.com'],
    ['backslashes', 'https:\\\\us2.api.concursolutions.com'],
    ['a backslash path', 'https://us2.api.concursolutions.com\\@evil.example'],
    ['a missing slash', 'https:/us2.api.concursolutions.com'],
    ['three slashes', 'https:///us2.api.concursolutions.com'],
    ['a query', 'https://us2.api.concursolutions.com?x=1'],
    ['a fragment', 'https://us2.api.concursolutions.com#x'],
    ['full-width letters', 'https://ｕs2.api.concursolutions.com'],
    ['an ideographic dot', 'https://us2。api.concursolutions.com'],
    ['a soft hyphen', 'https://us2\u00ad.api.concursolutions.com'],
    ['a long s that folds to s', 'https://uſ2.api.concursolutions.com'],
    ['a Kelvin sign in the path', 'https://us2.api.concursolutions.com/\u212a'],
    ['an escape in the host', 'https://us2%2eapi.concursolutions.com'],
    ['an escape in the path', 'https://us2.api.concursolutions.com/%2e%2e/'],
    ['dot segments', 'https://us2.api.concursolutions.com/a/../b'],
    ['an empty segment', 'https://us2.api.concursolutions.com//evil.example'],
    ['a line break at the end', 'https://us2.api.concursolutions.com\n'],
    ['a tab inside', 'https://us2.api\t.concursolutions.com'],
    ['white space before', ' https://us2.api.concursolutions.com'],
    ['a null character', 'https://us2.api.concursolutions.com\0'],
    ['nothing', ''],
    ['a very long path', `https://us2.api.concursolutions.com/${'a'.repeat(600)}`],
  ])('do not include %s', (_what, geolocation) => {
    expect(published.match(geolocation)).toBe('foreign');
  });
});

describe('values with a path', () => {
  const sandbox = createDataCentres({
    glz: 'http://127.0.0.1:9400/glz',
    us2: 'http://127.0.0.1:9400/us2',
    us2b: 'http://127.0.0.1:9400/us2/b/',
  });

  it.each([
    ['http://127.0.0.1:9400/us2', 'us2'],
    ['http://127.0.0.1:9400/us2/', 'us2'],
    ['http://127.0.0.1:9400/us2/oauth2', 'us2'],
    ['http://127.0.0.1:9400/us2/bc', 'us2'],
    ['http://127.0.0.1:9400/us2/b', 'us2b'],
    ['http://127.0.0.1:9400/us2/b/c', 'us2b'],
  ])('are matched segment by segment: %s is %s', (geolocation, name) => {
    expect(sandbox.match(geolocation)).toMatchObject({ name });
  });

  it.each([
    'http://127.0.0.1:9400',
    'http://127.0.0.1:9400/us',
    'http://127.0.0.1:9400/us22',
    'http://127.0.0.1:9400/US2',
    'http://127.0.0.1:9400/us2/../eu2',
    'http://127.0.0.1:9401/us2',
    'http://2130706433:9400/us2',
    'http://0x7f.1:9400/us2',
    'http://localhost:9400/us2',
    'https://127.0.0.1:9400/us2',
  ])('leave out what lies beside them: %s', (geolocation) => {
    expect(sandbox.match(geolocation)).toBe('foreign');
  });

  it('are kept as they were configured', () => {
    expect(sandbox.match('http://127.0.0.1:9400/us2/b/c')).toEqual({
      name: 'us2b',
      baseUri: 'http://127.0.0.1:9400/us2/b/',
    });
    expect(originsOf(sandbox)).toEqual(['http://127.0.0.1:9400']);
  });

  it('may be IPv6 addresses', () => {
    const v6 = createDataCentres({ glz: 'http://[::1]:9400/glz' });
    expect(v6.match('http://[::1]:9400/glz')).toMatchObject({ name: 'glz' });
    expect(v6.match('http://[::2]:9400/glz')).toBe('foreign');
  });
});

describe('a table', () => {
  it('is refused when a value is no base URI', () => {
    for (const value of ['', 'ftp://x', 'https://a@b', 'https://x?y', 'https://x/../y']) {
      expect(() => createDataCentres({ glz: value })).toThrow(
        expect.objectContaining({ code: 'configuration-invalid' }),
      );
    }
  });

  it('says so when it does not have a data centre', () => {
    expect(() => published.byName('mars')).toThrow(
      expect.objectContaining({ code: 'configuration-invalid', details: { dataCentre: 'mars' } }),
    );
    expect(() => published.byName('__proto__')).toThrow(expect.objectContaining({ code: 'configuration-invalid' }));
  });
});
