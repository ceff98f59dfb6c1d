/** The OpenAPI 3.1 document, made from the very schemas that validate requests and the types of the answers. */
import { z } from 'zod';
import type { Route } from './route.ts';
import type { Answer, Operation } from './schemas/operation.ts';
import { problemResource } from './schemas/resources.ts';

type Json = Record<string, unknown>;
/** Named schemas, found on the way. */
type Components = Map<string, Json>;

export function buildOpenApi(
  routes: readonly Route[],
  info: { readonly version: string; readonly serverUrl: string },
): Json {
  const components: Components = new Map();
  const problem = schemaOf(problemResource, 'output', components);
  const paths: Record<string, Json> = {};
  for (const { method, path, operation } of routes) {
    if (operation === undefined) continue;
    const pattern = patternOf(path);
    paths[pattern] = { ...paths[pattern], [method]: buildOperation(operation, problem, components) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Evergrant',
      version: info.version,
      description: 'Access tokens that work, for the SAP Concur companies that connected to your application.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: info.serverUrl }],
    security: [{ bearer: [] }],
    paths,
    components: {
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
      schemas: Object.fromEntries([...components].sort(([a], [b]) => (a < b ? -1 : 1))),
    },
  };
}

/** The path of a route as the document writes it. */
export function patternOf(path: string): string {
  return path.replaceAll(/:([a-z]+)/g, '{$1}');
}

function buildOperation(operation: Operation, problem: Json, components: Components): Json {
  const { id, summary, description, scope, params, query, headers, body, answers } = operation;
  const sentences = [description, scope === undefined ? undefined : `Needs the scope \`${scope}\`.`].filter(Boolean);
  return {
    operationId: id,
    summary,
    ...(sentences.length === 0 ? {} : { description: sentences.join(' ') }),
    ...(scope === undefined ? { security: [] } : {}),
    parameters: [...parametersOf(params, 'path'), ...parametersOf(query, 'query'), ...parametersOf(headers, 'header')],
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: body.isRequired,
            content: {
              'application/json': { schema: schemaOf(body.schema, 'input', components), example: body.example },
            },
          },
        }),
    responses: {
      ...Object.fromEntries(answers.map((answer) => [String(answer.status), buildAnswer(answer, components)])),
      default: { description: 'A problem (RFC 9457)', content: { 'application/problem+json': { schema: problem } } },
    },
  };
}

function buildAnswer(answer: Answer, components: Components): Json {
  const { description, body, mediaType = 'application/json', headers = {} } = answer;
  const described = Object.entries(headers).map(([name, meaning]) => [
    name,
    { description: meaning, schema: { type: 'string' } },
  ]);
  return {
    description,
    ...(described.length === 0 ? {} : { headers: Object.fromEntries(described) }),
    ...(body === undefined ? {} : { content: { [mediaType]: { schema: schemaOf(body, 'output', components) } } }),
  };
}

function parametersOf(schema: z.ZodObject | undefined, place: 'path' | 'query' | 'header'): Json[] {
  if (schema === undefined) return [];
  const { properties = {}, required = [] } = schemaOf(schema, 'input', new Map()) as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, property]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    schema: property,
  }));
}

/**
 * The JSON Schema of a schema. One with an `id` in its metadata becomes a component, and what uses it refers to that; a
 * field's `openapi` metadata replaces what would be generated for it.
 */
function schemaOf(schema: z.ZodType, io: 'input' | 'output', components: Components): Json {
  const {
    $schema: _dialect,
    $defs: definitions = {},
    ...json
  } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Json & { $defs?: Record<string, Json> };
  for (const [name, definition] of Object.entries(definitions)) components.set(name, rewrite(definition) as Json);
  return rewrite(json) as Json;
}

/** References lead from the document's root, where each schema was alone before. */
function rewrite(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(rewrite);
  if (typeof value !== 'object' || value === null) return value;
  if ('openapi' in value && typeof value.openapi === 'object') return value.openapi;
  return Object.fromEntries(
    Object.entries(value)
      // `id` names a schema; in JSON Schema it would be a base address.
      .filter(([name, inner]) => !(name === 'id' && typeof inner === 'string'))
      .map(([name, inner]) => [
        name,
        name === '$ref' && typeof inner === 'string'
          ? inner.replace(/^#\/\$defs\//, '#/components/schemas/')
          : rewrite(inner),
      ]),
  );
}
