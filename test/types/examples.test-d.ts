/** What the examples believe to cross the wire is what the API validates with and documents itself from. */
import { expectTypeOf } from 'vitest';
import type { z } from 'zod';
import type { codeBody, codeResource, listQuery, returnResource } from '../../api/schemas/inputs.ts';
import type { connectionList, problemResource, tokenResource } from '../../api/schemas/resources.ts';
import type { ConnectionResource } from '../../core/connection-resource.ts';
import type { ErrorCode } from '../../core/errors.ts';
import type {
  AccessToken,
  Connection,
  ConnectionFilter,
  ConnectionPage,
  Problem,
  ProblemCode,
  SignInReturn,
  VerificationCode,
  VerificationCodeRequest,
} from '../../examples/partner-service/api-types.ts';

/** Whether a field may be written says nothing about the wire, so it doesn't count. */
type Wire<T> = { readonly [K in keyof T]: T[K] };

expectTypeOf<ProblemCode>().toEqualTypeOf<Exclude<ErrorCode, 'configuration-invalid'>>();
expectTypeOf<keyof Problem>().toEqualTypeOf<keyof z.infer<typeof problemResource>>();
expectTypeOf<Connection>().toEqualTypeOf<ConnectionResource>();
expectTypeOf<keyof ConnectionPage>().toEqualTypeOf<keyof z.infer<typeof connectionList>>();
expectTypeOf<AccessToken>().toEqualTypeOf<Wire<z.infer<typeof tokenResource>>>();
expectTypeOf<VerificationCode>().toEqualTypeOf<Wire<z.infer<typeof codeResource>>>();
expectTypeOf<SignInReturn>().toEqualTypeOf<Wire<z.infer<typeof returnResource>>>();
expectTypeOf<VerificationCodeRequest>().toEqualTypeOf<Wire<z.input<typeof codeBody>>>();
expectTypeOf<ConnectionFilter>().toEqualTypeOf<Wire<Omit<z.input<typeof listQuery>, 'cursor' | 'limit'>>>();
