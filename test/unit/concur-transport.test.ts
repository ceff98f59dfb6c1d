import { describe, expect, it } from 'vitest';
import { isTransportFailure, TransportError, transportKindOf } from '../../concur/transport-error.ts';

const withCode = (code: string, cause?: unknown) => Object.assign(new Error('x', { cause }), { code });

describe('an error of the network', () => {
  it.each([
    ['ENOTFOUND', 'dns'],
    ['EAI_AGAIN', 'dns'],
    ['ECONNREFUSED', 'refused'],
    ['EHOSTUNREACH', 'refused'],
    ['ECONNRESET', 'reset'],
    ['EPIPE', 'reset'],
    ['UND_ERR_SOCKET', 'reset'],
    ['ETIMEDOUT', 'timeout'],
    ['UND_ERR_CONNECT_TIMEOUT', 'timeout'],
    ['EPROTO', 'tls'],
    ['CERT_HAS_EXPIRED', 'tls'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'tls'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'tls'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'tls'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'tls'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'tls'],
    ['HPE_INVALID_CONSTANT', 'other'],
    ['constructor', 'other'],
  ])('with code %s is of kind %s', (code, kind) => {
    expect(transportKindOf(withCode(code))).toBe(kind);
    expect(transportKindOf(new Error('wrapped', { cause: withCode(code) }))).toBe(kind);
  });

  it('that is nothing known is other', () => {
    for (const value of [undefined, null, 'x', {}, new Error('x'), withCode('')])
      expect(transportKindOf(value)).toBe('other');
  });

  it('is told from a defect', () => {
    expect(isTransportFailure(new TransportError('reset', true, 'x'))).toBe(true);
    expect(isTransportFailure({ transport: 'reset', sent: true })).toBe(true);
    for (const value of [new TypeError('x'), null, 'reset', undefined]) expect(isTransportFailure(value)).toBe(false);
  });
});
