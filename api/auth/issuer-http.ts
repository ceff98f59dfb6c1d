/**
 * Fetches the public documents of configured issuers: JSON, small, soon, from the very address that was asked (a redirect
 * is a failure), and never more than what they say about keys.
 */
import { EnvHttpProxyAgent, request } from 'undici';

/** A whole answer takes no longer, from the first attempt to connect to the last byte. */
const PATIENCE_MS = 5_000;
/** Key sets of large providers have some ten kilobytes. */
const MOST_BYTES = 256 * 1024;

export interface IssuerHttp {
  /** The JSON object at `url`. Throws `IssuerDocumentError` for everything that is none. */
  getObject(url: string): Promise<Readonly<Record<string, unknown>>>;
  close(): Promise<void>;
}

/** A document of an issuer could not be had. The message quotes nothing of what came. */
class IssuerDocumentError extends Error {
  override readonly name = 'IssuerDocumentError';
}

/** `httpsProxy`, `noProxy`: as for the calls to SAP Concur. */
export function createIssuerHttp(
  settings: { readonly httpsProxy?: string | undefined; readonly noProxy?: string | undefined } = {},
): IssuerHttp {
  const dispatcher = new EnvHttpProxyAgent({
    // Empty strings keep undici from reading the environment on its own.
    httpProxy: '',
    httpsProxy: settings.httpsProxy ?? '',
    noProxy: settings.noProxy ?? '',
    connections: 2,
    keepAliveTimeout: 1_000,
  });

  async function getText(url: string): Promise<string> {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const { statusCode, body } = await request(url, { dispatcher, signal, headers: { accept: 'application/json' } });
    try {
      if (statusCode !== 200) throw new IssuerDocumentError(`It was answered with status ${statusCode}.`);
      const chunks: Buffer[] = [];
      let length = 0;
      for await (const chunk of body as AsyncIterable<Buffer>) {
        length += chunk.length;
        if (length > MOST_BYTES) throw new IssuerDocumentError(`It is larger than ${MOST_BYTES} bytes.`);
        chunks.push(chunk);
      }
      return Buffer.concat(chunks).toString('utf8');
    } finally {
      body.on('error', () => undefined).destroy();
    }
  }

  return {
    async getObject(url) {
      const text = await getText(url).catch((cause: unknown) => {
        throw cause instanceof IssuerDocumentError
          ? cause
          : new IssuerDocumentError('It could not be fetched.', { cause });
      });
      return parseObject(text);
    },
    close: () => dispatcher.destroy(),
  };
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Told below: the parser's own message quotes what came.
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  throw new IssuerDocumentError('It is no JSON object.');
}
