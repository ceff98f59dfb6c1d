import { inspect } from 'node:util';
import pino from 'pino';
import { describe, expect, it } from 'vitest';
import { Secret } from '../../core/secret.ts';
import { parseTokenAnswer, serializeTokenAnswer } from '../../core/token-answer.ts';
import { tokens, type Reply } from '../simulation/scripted-concur.ts';
import type { TokenAnswer } from '../../core/ports.ts';

const secret = new Secret('hunter2');

describe('a secret', () => {
  it.each<[form: string, text: string]>([
    ['a template', `${secret}`],
    ['String()', String(secret)],
    ['a sum', 'x' + secret],
    ['JSON', JSON.stringify({ secret })],
    ['inspect', inspect({ secret }, { depth: 9, showHidden: true })],
    ['join', [secret].join()],
    ['a structured clone', inspect(structuredClone({ secret }))],
    ['its entries', JSON.stringify(Object.entries(secret))],
    ['a spread copy', inspect({ ...secret })],
    ['an error message', new Error(`${secret}`).message],
  ])('does not show in %s', (_, text) => {
    expect(text).not.toContain('hunter2');
  });

  it('does not show in a log line', () => {
    const lines: string[] = [];
    pino({}, { write: (line: string) => void lines.push(line) }).info({ secret, deep: { err: { secret } } }, 'x');
    expect(lines.join()).toContain('[secret]');
    expect(lines.join()).not.toContain('hunter2');
  });

  it('is itself for whoever asks, and equal to its like', () => {
    expect(secret.reveal()).toBe('hunter2');
    expect(secret.equals(new Secret('hunter2'))).toBe(true);
    expect(secret.equals(new Secret('hunter3'))).toBe(false);
  });
});

describe('a token answer as one secret', () => {
  const answerOf = ({ give }: Reply<TokenAnswer>): TokenAnswer => {
    if (give === 'never' || !give.ok) throw new Error('no answer');
    return give.value;
  };
  const revealed = ({ accessToken, refreshToken, idToken, ...plain }: TokenAnswer) => ({
    ...plain,
    secrets: [accessToken, refreshToken, idToken].map((value) => value?.reveal() ?? null),
  });

  it.each([
    ['whole', tokens({ idToken: 'id-1', refreshExpiresAtMs: 5, geolocationRaw: 'https://US2.example/x' })],
    ['without refresh token', tokens({ refreshToken: null })],
    ['from a foreign place', tokens({ geolocation: 'foreign' })],
    ['without geolocation', tokens({ geolocation: null })],
  ])('comes back as it was: %s', (_, reply) => {
    const answer = answerOf(reply);
    expect(revealed(parseTokenAnswer(serializeTokenAnswer(answer)))).toEqual(revealed(answer));
  });

  it('shows nothing on its way', () => {
    expect(String(serializeTokenAnswer(answerOf(tokens({ accessToken: 'hunter2' }))))).toBe('[secret]');
  });
});
