/** A secret can't be taken for a text, and a text not for a secret. */
import { expectTypeOf } from 'vitest';
import type { AppCredentials, TokenAnswer } from '../../core/ports.ts';
import { Secret } from '../../core/secret.ts';
import type { PlainJson } from './plain-json.ts';

expectTypeOf<Secret>().not.toExtend<string>();
expectTypeOf<string>().not.toExtend<Secret>();
expectTypeOf<Secret>().not.toExtend<PlainJson<Secret>>();

// Its value is private for real: what merely looks like a secret is none.
expectTypeOf<{ reveal(): string; toString(): string; toJSON(): string }>().not.toExtend<Secret>();

// What carries secrets can't cross into Temporal by mistake.
expectTypeOf<TokenAnswer>().not.toExtend<PlainJson<TokenAnswer>>();
expectTypeOf<AppCredentials>().not.toExtend<PlainJson<AppCredentials>>();
expectTypeOf<TokenAnswer['accessToken']>().toEqualTypeOf<Secret>();
expectTypeOf<AppCredentials['clientSecret']>().toEqualTypeOf<Secret>();

const url = new URL('https://us2.api.concursolutions.com');
// @ts-expect-error A secret can't be a search parameter.
url.searchParams.set('token', new Secret('x'));
