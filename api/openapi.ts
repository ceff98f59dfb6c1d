/** The OpenAPI 3.1 document, made from the very schemas that validate requests and the types of the answers. */
import { z } from 'zod';
import type { Route } from './route.ts';
import type { Operation } from './schemas/operation.ts';
import { problemResource } from './schemas/resources.ts';

type Json = Record<string, unknown>;

export function buildOpenApi(
  routes: readonly Route[],
  info: { readonly version: string; readonly serverUrl: string },
): Json {
  const paths: Record<string, Json> = {};
  for (const { method, path, operation } of routes) {
    if (operation === undefined) continue;
    const pattern = path.replaceAll(/:([a-z]+)/g, '{$1}');
    paths[pattern] = { ...paths[pattern], [method]: buildOperation(operation) };
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
      schemas: { Problem: schemaOf(problemResource, 'output') },
    },
  };
}

function buildOperation(operation: Operation): Json {
  const { id, summary, description, scope, params, query, body, answers } = operation;
  return {
    operationId: id,
    summary,
    description: [description, scope === undefined ? undefined : `Needs the scope \`${scope}\`.`]
      .filter(Boolean)
      .join(' '),
    parameters: [...parametersOf(params, 'path'), ...parametersOf(query, 'query')],
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: body.isRequired,
            content: { 'application/json': { schema: schemaOf(body.schema, 'input') } },
          },
        }),
    responses: {
      ...Object.fromEntries(
        answers.map((answer) => [
          String(answer.status),
          {
            description: answer.description,
            ...(answer.body === undefined
              ? {}
              : { content: { 'application/json': { schema: schemaOf(answer.body, 'output') } } }),
          },
        ]),
      ),
      default: {
        description: 'A problem (RFC 9457)',
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    },
  };
}

function parametersOf(schema: z.ZodObject | undefined, place: 'path' | 'query'): Json[] {
  if (schema === undefined) return [];
  const { properties = {}, required = [] } = schemaOf(schema, 'input') as {
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

/** Without `$schema`; a field's `openapi` metadata replaces what would be generated for it. */
function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _dialect, ...json } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Json;
  return replaceMarked(json) as Json;
}

function replaceMarked(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(replaceMarked);
  if (typeof value !== 'object' || value === null) return value;
  if ('openapi' in value && typeof value.openapi === 'object') return value.openapi;
  // `id` names a schema for readers of the code; in JSON Schema it would be a base address.
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name, inner]) => !(name === 'id' && typeof inner === 'string'))
      .map(([name, inner]) => [name, replaceMarked(inner)]),
  );
}
