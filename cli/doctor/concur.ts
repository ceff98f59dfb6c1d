import { createDataCentres, originsOf } from '../../concur/data-centres.ts';
import { createHttp } from '../../concur/http.ts';
import { buildJwksRequest } from '../../concur/jwks.ts';
import type { DataCentre } from '../../core/ports.ts';
import type { Config } from '../../runtime/settings.ts';
import { clockFinding, type Finding, fail, ok } from './finding.ts';

const ANSWER_MS = 5_000;

/** Whether every configured data centre answers from here, by its public keys; and what time it is there. */
export async function checkConcur(config: Config): Promise<readonly Finding[]> {
  const dataCentres = createDataCentres(config.dataCentres, config.legacyBaseUris);
  const http = createHttp({
    allowedOrigins: originsOf(dataCentres),
    httpsProxy: config.httpsProxy ?? '',
    noProxy: config.noProxy ?? '',
  });
  let aheadMs: number | null = null;

  async function check(dataCentre: DataCentre): Promise<string | null> {
    try {
      const response = await http.send(buildJwksRequest(dataCentre), { horizonMs: ANSWER_MS });
      const date = Date.parse(response.headers.date ?? '');
      // A header of whole seconds: half of one off on average.
      if (!Number.isNaN(date)) aheadMs = Date.now() - date - 500;
      return response.status < 500 ? null : `${dataCentre.name} (HTTP ${response.status})`;
    } catch (error) {
      const trouble = typeof error === 'object' && error !== null && 'transport' in error ? error.transport : 'other';
      return `${dataCentre.name} (${String(trouble)})`;
    }
  }

  try {
    const names = dataCentres.names();
    const away = (await Promise.all(names.map((name) => check(dataCentres.byName(name))))).filter(
      (one) => one !== null,
    );
    const reached =
      away.length === 0
        ? ok('SAP Concur', `answers in ${names.join(', ')}`)
        : fail('SAP Concur', `no answer from ${away.join(', ')}`, 'Check firewall, HTTPS_PROXY and CONCUR_BASE_URIS.');
    return aheadMs === null ? [reached] : [reached, clockFinding('clock of SAP Concur', aheadMs)];
  } finally {
    await http.close();
  }
}
