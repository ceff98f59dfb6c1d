/** The XML of the legacy endpoints: one element with texts in it. */
import type { WireResponse } from './wire.ts';

export interface XmlDocument {
  readonly root: string;
  readonly texts: Readonly<Record<string, string>>;
}

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };
const unescapes: Readonly<Record<string, string>> = { '&amp;': '&', '&lt;': '<', '&gt;': '>' };

export function xmlResponse(status: number, { root, texts }: XmlDocument): WireResponse {
  const lines = Object.entries(texts).map(
    ([name, text]) => `  <${name}>${text.replace(/[&<>]/g, (one) => escapes[one] ?? one)}</${name}>`,
  );
  return {
    status,
    headers: { 'content-type': 'application/xml; charset=utf-8', 'cache-control': 'no-store' },
    body: `<?xml version="1.0" encoding="utf-8"?>\n<${root}>\n${lines.join('\n')}\n</${root}>\n`,
  };
}

/** What {@link xmlResponse} has written, for the faults to change; null for any other body. */
export function readOwnXml(body: string): XmlDocument | null {
  const [, root, inner] = /^<\?xml [^>]*>\n<(\w+)>([\s\S]*)<\/\1>\n$/.exec(body) ?? [];
  if (root === undefined || inner === undefined) return null;
  const texts = [...inner.matchAll(/<([\w-]+)>([^<]*)<\/\1>/g)].map(([, name = '', text = '']) => [
    name,
    text.replace(/&\w+;/g, (one) => unescapes[one] ?? one),
  ]);
  return { root, texts: Object.fromEntries(texts) };
}
