/**
 * The one form in which anything is sealed: JWE compact serialization (RFC 7516), `dir` with A256GCM, `kid` in
 * the header. The context is authenticated as the JWE's AAD but not stored, so that a value which was moved to
 * another place does not open there: compact form has no room for an AAD, so it is put back on opening.
 *
 * `jose` seals. What it sealed is opened here, in one go: a token is opened at every read from the database, and the way over
 * the thread pool of WebCrypto took several times as long. A property test holds the two to each other. See ADR 11.
 */
import { createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto';
import { type CryptoKey, FlattenedEncrypt } from 'jose';
import { AppError } from '../core/errors.ts';

/** A symmetric key in memory, in the forms in which it seals and opens: neither prints what it is. */
export interface SealingKey {
  readonly kid: string;
  /** Not extractable. */
  readonly seals: CryptoKey;
  readonly opens: KeyObject;
}

const ENCRYPTION = 'A256GCM';
/** RFC 7518 section 5.3. */
const IV_BYTES = 12;
const TAG_BYTES = 16;

/** A key of 256 bits for {@link sealBytes} and {@link openBytes}. */
export async function importSealingKey(kid: string, bytes: Uint8Array<ArrayBuffer>): Promise<SealingKey> {
  const seals = await crypto.subtle.importKey('raw', bytes, 'AES-GCM', false, ['encrypt']);
  return { kid, seals, opens: createSecretKey(bytes) };
}

export async function sealBytes({ kid, seals }: SealingKey, plaintext: Uint8Array, context: string): Promise<string> {
  const jwe = await new FlattenedEncrypt(plaintext)
    .setProtectedHeader(buildHeader(kid))
    .setAdditionalAuthenticatedData(authenticatedContext(context))
    .encrypt(seals);
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

/**
 * Throws `internal` for another context, another key, and a value that is damaged; which of these can't be told. Only
 * the header that {@link sealBytes} writes will do, to the letter.
 */
export function openBytes({ kid, opens }: SealingKey, sealed: string, context: string): Buffer {
  const [header, encryptedKey, ...parts] = sealed.split('.');
  const [iv, ciphertext, tag] = parts.map(parseBase64url);
  if (header === undefined || encryptedKey !== '' || parts.length !== 3 || !iv || !ciphertext || !tag) {
    throw unopened('form', kid);
  }
  if (header !== sealedHeader(kid)) throw unopened('header', kid);
  if (iv.length !== IV_BYTES || tag.length !== TAG_BYTES) throw unopened('form', kid);
  try {
    const decipher = createDecipheriv('aes-256-gcm', opens, iv, { authTagLength: TAG_BYTES });
    decipher.setAAD(Buffer.from(`${header}.${authenticatedContext(context).toString('base64url')}`));
    decipher.setAuthTag(tag);
    const plaintext = decipher.update(ciphertext);
    // Nothing of it leaves here before this has said that it is what was sealed. It adds no bytes in this mode.
    decipher.final();
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

/** Null for what is no base64url. It leaves spare bits at the end of some texts: only one spelling of a value is accepted. */
function parseBase64url(part: string): Buffer | null {
  const bytes = Buffer.from(part, 'base64url');
  return bytes.toString('base64url') === part ? bytes : null;
}

function parseHeader(part: string): Partial<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString());
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
