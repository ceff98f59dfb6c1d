import { describe, expect, it } from 'vitest';
import { parseImportFile } from '../../cli/import-file.ts';
import { drawProgress } from '../../cli/progress.ts';
import { createDataCentres } from '../../concur/data-centres.ts';

const dataCentres = createDataCentres({ us2: 'https://us2.api.concursolutions.com' });
const parse = (text: string) => parseImportFile(text, { app: 'demo', dataCentres });

const line = {
  principal_id: '08BDE1E3-6D4F-4FB2-9D5B-1CBD0E9B6E8F',
  refresh_token: 'token-1',
  geolocation: 'https://us2.api.concursolutions.com',
};
const other = { ...line, principal_id: '08bde1e3-6d4f-4fb2-9d5b-1cbd0e9b6e90' };
const text = (...lines: readonly object[]): string => lines.map((given) => JSON.stringify(given)).join('\n');

describe('a file to be imported', () => {
  it('has one connection a line, in any case of its id, with empty lines and either line end', () => {
    const { rows, invalid } = parse(`\uFEFF${JSON.stringify(line)}\r\n\r\n${text(other)}\n`);
    expect(invalid).toEqual([]);
    expect(rows.map(({ line: at, principal }) => [at, principal])).toEqual([
      [1, line.principal_id.toLowerCase()],
      [3, other.principal_id],
    ]);
    expect(rows[0]?.order).toMatchObject({ kind: 'refresh-token', replace: false, customerRef: null });
    expect(JSON.stringify(rows)).not.toContain('token-1');
  });

  it('may be what was exported: what is told besides is passed over', () => {
    const exported = { ...line, app: 'demo', scope: 'openid', principal_type: 'company', customer_ref: null };
    const { rows, invalid } = parse(text({ ...exported, refresh_token_expires_at: null }));
    expect([rows.length, invalid]).toEqual([1, []]);
  });

  it.each([
    ['{"refresh_token":"token-1"', 'is no well-formed JSON'],
    ['["token-1"]', 'must be an object'],
    ['null', 'must be an object'],
    [text({ ...line, app: 'another' }), 'app: is another one'],
    [text({ ...line, principal_id: 'token-1' }), 'principal_id: must be a UUID'],
    [text({ ...line, refresh_token: 'token-1 ' }), 'refresh_token: must be 1 to 512 visible ASCII characters'],
    [
      text({ ...line, geolocation: 'https://evil.example' }),
      'geolocation: must be the base URI of a known data centre',
    ],
    [text({ ...line, token: 'token-1' }), 'body: Unrecognized key: "token"'],
    [text({ principal_id: line.principal_id, request_token: 'token-1' }), 'refresh_token'],
  ])('is refused with the number of the line, quoting no secret: %s', (wrong, message) => {
    const { rows, invalid } = parse(`${text(other)}\n${wrong}\n${text({ ...other, principal_id: line.principal_id })}`);
    expect(rows).toHaveLength(2);
    expect(invalid).toEqual([{ line: 2, message: expect.stringContaining(message) }]);
    expect(invalid[0]?.message).not.toMatch(/token-1|evil/);
  });

  it('names each principal once', () => {
    const { rows, invalid } = parse(text(line, { ...line, refresh_token: 'token-2' }));
    expect([rows.length, invalid]).toEqual([1, [{ line: 2, message: 'principal_id: the same as in line 1' }]]);
  });
});

describe('a progress bar', () => {
  it('says how far it is and how long it may take', () => {
    expect(drawProgress(0, 10, 0)).toBe('[>                       ] 0/10  0 %');
    expect(drawProgress(5, 10, 10_000)).toBe('[============>           ] 5/10  50 %, 10s left');
    expect(drawProgress(1_000, 10_000, 60_000)).toContain('1000/10000  10 %, 9m left');
    expect(drawProgress(10, 10, 10_000)).toBe('[========================] 10/10  100 %');
    expect(drawProgress(0, 0, 0)).toContain('0/0  100 %');
  });
});
