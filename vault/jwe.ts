/**
 * The one form in which anything is sealed: JWE compact serialization (RFC 7516), `dir` with A256GCM, `kid` in
 * the header. The context is authenticated as the JWE's AAD but not stored, so that a value which was moved to
 * another place does not open there: compact form has no room for an AAD, so it is put back on opening.
 */
import { type CryptoKey, FlattenedEncrypt, flattenedDecrypt } from 'jose';
import { AppError } from '../core/errors.ts';

/** A symmetric key in memory; not extractable, so that not even a bug can print it. */
export interface SealingKey {
  readonly kid: string;
  readonly key: CryptoKey;
}

const ENCRYPTION = 'A256GCM';

/** A 256-bit key for {@link sealBytes}. */
export function importSealingKey(bytes: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  return crypto.subtle.importKey('raw', bytes, 'AES-GCM', false, ['encrypt', 'decrypt']);
}

export async function sealBytes({ kid, key }: SealingKey, plaintext: Uint8Array, context: string): Promise<string> {
  const jwe = await new FlattenedEncrypt(plaintext)
    .setProtectedHeader(buildHeader(kid))
    .setAdditionalAuthenticatedData(authenticatedContext(context))
    .encrypt(key);
  return [jwe.protected, '', jwe.iv, jwe.ciphertext, jwe.tag].join('.');
}

function buildHeader(kid: string) {
  return { alg: 'dir', enc: ENCRYPTION, kid };
}

/** How every value begins that is sealed under this key, up to the first dot: so it is found without opening anything. */
export function sealedHeader(kid: string): string {
  return Buffer.from(JSON.stringify(buildHeader(kid))).toString('base64url');
}

/** Never empty: an empty AAD would be no AAD. */
function authenticatedContext(context: string): Buffer {
  return Buffer.from(`evergrant ${context}`);
}

/** `kid` of the key that a sealed value needs. Throws `internal` for what is no sealed value. */
export function kidOf(sealed: string): string {
  const { kid } = parseHeader(sealed.split('.', 1)[0] ?? '');
  if (typeof kid !== 'string') throw unopened('header', null);
  return kid;
}

/** Throws `internal` for another context, another key, and a value that is damaged; which of these can't be told. */
export async function openBytes({ kid, key }: SealingKey, sealed: string, context: string): Promise<Uint8Array> {
  const [header, encryptedKey, iv, ciphertext, tag, ...rest] = sealed.split('.');
  if (!header || encryptedKey !== '' || !iv || ciphertext === undefined || !tag || rest.length > 0) {
    throw unopened('form', kid);
  }
  if (![iv, ciphertext, tag].every(isCanonical)) throw unopened('form', kid);
  try {
    const { plaintext } = await flattenedDecrypt(
      { protected: header, iv, ciphertext, tag, aad: authenticatedContext(context).toString('base64url') },
      key,
      { keyManagementAlgorithms: ['dir'], contentEncryptionAlgorithms: [ENCRYPTION] },
    );
    return plaintext;
  } catch {
    // Without a cause: nothing of what was decrypted, or of its key, may travel with the error.
    throw unopened('authentication', kid);
  }
}

/** A sealed value that does not open: a swapped or damaged cell, or a key that is not there. */
export function unopened(what: 'form' | 'header' | 'key' | 'authentication', kid: string | null): AppError {
  return new AppError('internal', 'A sealed value does not open', { details: { what, kid } });
}

/** Base64url leaves spare bits at the end of some texts: only one spelling of a value is accepted. */
function isCanonical(part: string): boolean {
  return Buffer.from(part, 'base64url').toString('base64url') === part;
}

function parseHeader(part: string): Partial<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString());
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
