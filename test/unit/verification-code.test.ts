import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildVerificationCode, CODE_BYTES, normaliseVerificationCode } from '../../core/verification-code.ts';

describe('a verification code', () => {
  it('has two groups of five symbols that nobody mistakes for one another', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: CODE_BYTES, maxLength: 32 }), (random) => {
        const code = buildVerificationCode(random);
        expect(code).toMatch(/^[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}$/);
        expect(normaliseVerificationCode(code)).toBe(code);
      }),
    );
  });

  it('carries five random bits in each of ten symbols', () => {
    const seen = Array.from({ length: 10 }, () => new Set<string>());
    for (let i = 0; i < 2_000; i += 1) {
      const symbols = buildVerificationCode(randomBytes(CODE_BYTES)).replace('-', '');
      for (const [place, symbol] of [...symbols].entries()) seen[place]?.add(symbol);
    }
    expect(seen.map(({ size }) => size)).toEqual(Array.from({ length: 10 }, () => 32));
  });

  it.each(['7q2mx-0kd4t', '7Q2MX0KD4T', ' 7q2mx – okd4t ', '7 Q 2 M X O K D 4 T'])(
    'is recognised when typed as %j',
    (typed) => {
      expect(normaliseVerificationCode(typed)).toBe('7Q2MX-0KD4T');
    },
  );

  it('reads I and L as 1', () => {
    expect(normaliseVerificationCode('IlIlI-11111')).toBe('11111-11111');
  });

  it.each(['', '7Q2MX', '7Q2MX-0KD4T1', '7Q2MX-0KD4U', '7Q2MX_0KD4T', 'ı'.repeat(10), '0'.repeat(65)])(
    'is not what %j says',
    (typed) => {
      expect(normaliseVerificationCode(typed)).toBeNull();
    },
  );

  it('is not made from too little randomness', () => {
    expect(() => buildVerificationCode(new Uint8Array(CODE_BYTES - 1))).toThrow(RangeError);
  });
});
