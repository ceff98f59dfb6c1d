/**
 * Certificates and keys that others read: Temporal's reader names the first that is missing and passes over half a
 * pair without a word, and Node starts without the certificates it was told to trust.
 */
import { type Environment, readText, type Variables } from './environment.ts';

const temporalPaths = [
  'TEMPORAL_TLS_CLIENT_CERT_PATH',
  'TEMPORAL_TLS_CLIENT_KEY_PATH',
  'TEMPORAL_TLS_SERVER_CA_CERT_PATH',
] as const;

/** Reports every one that can't be used; `env` knows afterwards which those are. */
export function reportTlsFiles(env: Environment, variables: Variables): void {
  for (const name of [...temporalPaths, 'NODE_EXTRA_CA_CERTS']) {
    const path = variables[name]?.trim() ?? '';
    if (path === '') continue;
    const file = readText(path);
    if (!file.ok) env.report(name, `names a file that can't be read (${file.why})`);
    else if (!file.text.includes('-----BEGIN ')) env.report(name, 'names a file that is not PEM (-----BEGIN …)');
  }
  const isGiven = (part: string): boolean =>
    env.isSet(`TEMPORAL_TLS_CLIENT_${part}_PATH`) || env.isSet(`TEMPORAL_TLS_CLIENT_${part}_DATA`);
  const [hasCertificate, hasKey] = [isGiven('CERT'), isGiven('KEY')];
  if (hasCertificate && !hasKey) env.report('TEMPORAL_TLS_CLIENT_KEY_PATH', 'is not set, and the certificate is');
  if (hasKey && !hasCertificate) env.report('TEMPORAL_TLS_CLIENT_CERT_PATH', 'is not set, and the key is');
}

/** The variables without the paths that are on record as wrong: their reader would end at the first. */
export function withoutWrongFiles(env: Environment, given: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(given).filter(([name]) => !temporalPaths.some((path) => path === name) || env.isSound(name)),
  );
}
