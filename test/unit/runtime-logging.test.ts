import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../core/errors.ts';
import { Secret } from '../../core/secret.ts';
import { buildErrorFields, maskTokens } from '../../runtime/error-fields.ts';
import { createLogger } from '../../runtime/logger.ts';

const jwt = 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl';
const jwe = 'eyJhbGciOiJkaXIifQ..aXZpdml2.Y2lwaGVydGV4dA.dGFndGFn';

function logged(write: (log: ReturnType<typeof createLogger>) => void, level: 'info' | 'debug' = 'info') {
  const lines: string[] = [];
  const destination = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  });
  write(createLogger({ level, name: 'api', destination }));
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe('a log line', () => {
  it('is JSON with time, level, name and message', () => {
    const [line] = logged((log) => log.info({ app: 'demo' }, 'hello'));
    expect(line).toMatchObject({ level: 'info', name: 'api', app: 'demo', msg: 'hello' });
    expect(line?.time).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
  });

  it('is written from its level on', () => {
    const write = (log: ReturnType<typeof createLogger>) => log.debug({}, 'detail');
    expect(logged(write)).toHaveLength(0);
    expect(logged(write, 'debug')).toHaveLength(1);
  });

  it('masks a secret in whatever form it comes', () => {
    const lines = logged((log) => {
      log.info({ token: 'hush', nested: { refresh_token: 'hush', deeper: { clientSecret: 'hush' } } }, 'careless');
      log.info(
        { authorization: 'Bearer hush', request: { headers: { cookie: 'hush', authorization: 'hush' } } },
        'careless',
      );
      log.info({ value: new Secret('hush'), list: [new Secret('hush')] }, 'careful');
    });
    expect(lines).toHaveLength(3);
    expect(JSON.stringify(lines)).not.toContain('hush');
  });

  it('has an error with its code, details and causes', () => {
    const cause = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED', password: 'hush' });
    const error = new AppError('provider-unavailable', 'Concur is away.', {
      cause,
      details: { dataCentre: 'us2' },
      retryAfterMs: 5_000,
    });
    const [line] = logged((log) => log.error({ err: error }, 'failed'));
    expect(line?.err).toMatchObject({
      type: 'AppError',
      code: 'provider-unavailable',
      message: 'Concur is away.',
      details: { dataCentre: 'us2' },
      retry_after_ms: 5_000,
      stack: expect.stringContaining('AppError'),
      cause: { type: 'Error', code: 'ECONNREFUSED' },
    });
    expect(JSON.stringify(line)).not.toContain('hush');
  });

  it('leaves words under the names of errors as they are', () => {
    expect(logged((log) => log.info({ error: 'identity-mismatch' }, 'x'))[0]).toMatchObject({
      error: 'identity-mismatch',
    });
  });
});

describe('the fields of an error', () => {
  it('leave out what libraries hang on it', () => {
    const error = Object.assign(new Error('duplicate key'), {
      code: '23505',
      detail: 'Key (customer)=(Acme) exists',
      request: { headers: { authorization: 'x' } },
    });
    expect(Object.keys(buildErrorFields(error))).toEqual(['type', 'message', 'code', 'stack']);
  });

  it('end with a chain of causes that bites its own tail', () => {
    const error: Error = new Error('a');
    error.cause = error;
    expect(JSON.stringify(buildErrorFields(error)).match(/"message":"a"/g)?.length).toBeLessThan(10);
  });

  it('are there for whatever was thrown', () => {
    expect(buildErrorFields('oops')).toEqual({ type: 'string', message: 'oops' });
    expect(buildErrorFields(undefined)).toEqual({ type: 'undefined', message: 'undefined' });
  });

  it('mask what looks like a token', () => {
    for (const text of [`bad token ${jwt} here`, `sealed ${jwe}`, 'Authorization: Bearer abcdef0123456789']) {
      const masked = maskTokens(text);
      expect(masked).toContain('[masked]');
      expect(masked).not.toMatch(/eyJ|abcdef0123/);
    }
    expect(maskTokens('the bearer of bad news, version 1.2.3')).toBe('the bearer of bad news, version 1.2.3');
  });
});
