/** SAP Concur as bytes without a network: the `Http` port on top of the sandbox's model. */
import type { Http, HttpResponse } from '../../core/ports.ts';
import type { ConcurService } from '../../dev/sandbox/protocol/concur-service.ts';
import { type Endpoint, endpointNames, endpoints } from '../../dev/sandbox/protocol/wire.ts';

/** What a test sees of each request. */
export interface SeenRequest {
  readonly endpoint: Endpoint;
  readonly dataCentre: string;
}

export interface ModelHttpOptions {
  /** Base URIs are `{origin}/{data centre}`. */
  readonly origin: string;
  readonly onRequest?: (request: SeenRequest) => void;
}

export function createModelHttp(service: ConcurService, { origin, onRequest }: ModelHttpOptions): Http {
  return {
    async send(request, { onSent }): Promise<HttpResponse> {
      const url = new URL(request.url);
      if (url.origin !== origin) throw new Error(`a request went to ${url.origin}, which is not the model`);
      const [, dataCentre = '', ...rest] = url.pathname.split('/');
      const path = `/${rest.join('/')}`;
      const endpoint = endpointNames.find((name) => endpoints[name].path === path);
      if (endpoint === undefined) throw new Error(`Concur has no endpoint ${path}`);
      onSent?.();
      onRequest?.({ endpoint, dataCentre });
      const headers = { ...request.headers, ...lengthOf(request.body) };
      const wire = {
        method: request.method,
        dataCentre,
        query: url.search.slice(1),
        headers,
        body: request.body ?? '',
      };
      return await service.answer(endpoint, wire);
    },
  };
}

function lengthOf(body: string | undefined): Record<string, string> {
  return body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
}
