/** Certificates for tests, made here: an authority, and whom it vouches for. X.509 v3 (RFC 5280), P-256 and SHA-256. */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

export interface Certified {
  /** PEM. */
  readonly certificate: string;
  /** PEM, PKCS #8. */
  readonly key: string;
}

export interface Authority {
  /** PEM, to be trusted. */
  readonly certificate: string;
  /** For `localhost` and 127.0.0.1. */
  certify(name: string): Certified;
}

const SEQUENCE = 0x30;
const oids = {
  ecdsaWithSha256: [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02],
  commonName: [0x55, 0x04, 0x03],
  subjectAltName: [0x55, 0x1d, 0x11],
  basicConstraints: [0x55, 0x1d, 0x13],
} as const;
const HOUR_MS = 3_600_000;

export function createAuthority(name: string): Authority {
  const own = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const issue = (subject: string, publicKey: KeyObject, extensions: Buffer): string =>
    build({ issuer: name, subject, publicKey, signer: own.privateKey, extensions });
  return {
    certificate: issue(
      name,
      own.publicKey,
      extension(oids.basicConstraints, der(SEQUENCE, der(0x01, Buffer.of(0xff)))),
    ),
    certify(subject) {
      const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const names = der(SEQUENCE, der(0x82, Buffer.from('localhost')), der(0x87, Buffer.of(127, 0, 0, 1)));
      return {
        certificate: issue(subject, publicKey, extension(oids.subjectAltName, names)),
        key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      };
    },
  };
}

function build(parts: {
  readonly issuer: string;
  readonly subject: string;
  readonly publicKey: KeyObject;
  readonly signer: KeyObject;
  readonly extensions: Buffer;
}): string {
  const algorithm = der(SEQUENCE, oid(oids.ecdsaWithSha256));
  const unsigned = der(
    SEQUENCE,
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, Buffer.concat([Buffer.of(0x01), randomBytes(15)])),
    algorithm,
    nameOf(parts.issuer),
    der(SEQUENCE, time(Date.now() - HOUR_MS), time(Date.now() + 24 * HOUR_MS)),
    nameOf(parts.subject),
    parts.publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, der(SEQUENCE, parts.extensions)),
  );
  const signature = der(0x03, Buffer.of(0), sign('sha256', unsigned, parts.signer));
  const body =
    der(SEQUENCE, unsigned, algorithm, signature)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${body.join('\n')}\n-----END CERTIFICATE-----\n`;
}

/** Tag, length, contents (ITU-T X.690). */
function der(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(contents);
  const { length } = body;
  const head = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...head]), body]);
}

function oid(bytes: readonly number[]): Buffer {
  return der(0x06, Buffer.from(bytes));
}

function nameOf(commonName: string): Buffer {
  return der(SEQUENCE, der(0x31, der(SEQUENCE, oid(oids.commonName), der(0x0c, Buffer.from(commonName)))));
}

function extension(id: readonly number[], value: Buffer): Buffer {
  return der(SEQUENCE, oid(id), der(0x04, value));
}

function time(atMs: number): Buffer {
  const digits = new Date(atMs).toISOString().replaceAll(/\D/g, '');
  return der(0x17, Buffer.from(`${digits.slice(2, 14)}Z`));
}
