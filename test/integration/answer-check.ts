/** Holds answers against the OpenAPI document: an answer that it does not describe fails the test that got it. */
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, DescribedOperation>>>>;
}

export interface DescribedOperation {
  readonly operationId: string;
  readonly description?: string;
  readonly parameters: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: { readonly content: { readonly 'application/json': { readonly example: unknown } } };
  readonly responses: Readonly<Record<string, DescribedAnswer>>;
}

interface DescribedAnswer {
  readonly content?: Readonly<Record<string, unknown>>;
}

const ROOT = 'https://evergrant.test/openapi.json';
const formats = {
  uuid: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
  'date-time': /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/,
  uri: /^[a-z]+:\S+$/,
};

export function createAnswerCheck(document: unknown) {
  const { paths } = document as Document;
  const ajv = new Ajv2020({ strict: false, formats });
  ajv.addSchema({ $id: ROOT, ...(document as object) });
  const patterns = Object.keys(paths).map((template) => ({
    template,
    pattern: new RegExp(`^${template.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`),
  }));
  const checked = new Set<string>();

  function validatorOf(pointer: readonly string[]): ValidateFunction {
    const fragment = pointer.map((part) => part.replaceAll('~', '~0').replaceAll('/', '~1')).join('/');
    const validate = ajv.getSchema(`${ROOT}#/${fragment}`);
    if (validate === undefined) throw new Error(`the description has no schema at ${fragment}`);
    return validate;
  }

  return {
    document: document as Document & Readonly<Record<string, unknown>>,
    /** Operation and status of every answer that was held against its schema so far. */
    checked: checked as ReadonlySet<string>,

    assert(method: string, path: string, response: Response, json: unknown): void {
      const pathname = new URL(path, ROOT).pathname;
      const template = patterns.find(({ pattern }) => pattern.test(pathname))?.template;
      const verb = method.toLowerCase();
      const operation = template === undefined ? undefined : paths[template]?.[verb];
      if (template === undefined || operation === undefined) return;
      const status = String(response.status);
      const isProblem = /^application\/problem\+json/.test(response.headers.get('content-type') ?? '');
      const key = isProblem ? 'default' : status;
      const answer = operation.responses[key];
      if (answer === undefined) throw new Error(`${operation.operationId} answered ${status}, which is not described`);
      const mediaType = Object.keys(answer.content ?? {})[0];
      checked.add(`${operation.operationId} ${isProblem ? 'problem' : status}`);
      if (mediaType === undefined || !mediaType.includes('json')) return;
      const pointer = ['paths', template, verb, 'responses', key, 'content', mediaType, 'schema'];
      const validate = validatorOf(pointer);
      if (!validate(json)) {
        throw new Error(`${operation.operationId} ${status} is not as described: ${ajv.errorsText(validate.errors)}`);
      }
    },
  };
}
