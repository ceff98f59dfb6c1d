/** `docker-compose.yml` is valid by the Compose specification, and says what the parts of the system understand. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { parseSandboxConfig } from '../../dev/sandbox/config.ts';
import { buildAppsFile, buildSandboxApps } from '../../dev/stack/demo-apps.ts';
import { searchAttributeTypes } from '../../dev/stack/temporal.ts';
import { parseConfig } from '../../runtime/config.ts';
import type { Role } from '../../runtime/settings.ts';
import { readDockerfile } from '../../dev/check/dockerfile.ts';
import { root } from './planted-house.ts';

interface Service {
  readonly image?: string;
  readonly build?: { readonly target: string };
  readonly environment?: Readonly<Record<string, string>>;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>> | readonly string[];
  readonly healthcheck?: object;
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
  readonly profiles?: readonly string[];
  readonly read_only?: boolean;
  readonly init?: boolean;
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, null>>;
}

const text = readFileSync(join(root, 'docker-compose.yml'), 'utf8');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

/** What Compose makes of `${NAME:-default}` where nothing is set. */
function withDefaults(value: string): string {
  return value.replaceAll(/\$\{[A-Z_]+:-([^}]*)\}/g, '$1');
}

describe('docker-compose.yml', () => {
  let compose: Compose;
  const ours = ['api', 'worker', 'cli', 'sandbox', 'migrate', 'keys'];
  const stages = readDockerfile(read('Dockerfile'));
  const environmentOf = (name: string): Record<string, string> => {
    const { environment = {}, build } = compose.services[name] ?? {};
    const set = Object.entries(environment).map(([key, value]) => [key, withDefaults(value)] as const);
    return { ...stages.environmentOf(build?.target ?? ''), ...Object.fromEntries(set) };
  };
  beforeAll(() => {
    compose = parse(withDefaults(text), { merge: true });
  });

  it('is valid by the schema of the Compose specification', () => {
    const { $schema: _draft7, ...schema } = JSON.parse(read('test/arch/fixtures/compose-spec.json'));
    const validate = new Ajv({ strict: false, allErrors: true, validateFormats: false }).compile(schema);
    validate(compose);
    expect(validate.errors).toBeNull();
    validate({ ...compose, services: { api: { imagee: 'planted' } } });
    expect(validate.errors).not.toBeNull();
  });

  it('has every part of the system', () => {
    expect(Object.keys(compose.services)).toEqual(
      expect.arrayContaining(['postgres', 'temporal', 'temporal-ui', 'api', 'worker', 'sandbox']),
    );
    const inProfile = (profile: string) =>
      Object.keys(compose.services).filter((name) => compose.services[name]?.profiles?.includes(profile));
    expect(inProfile('metrics')).toEqual(['prometheus', 'grafana']);
  });

  it('waits for parts that exist, that end, or that tell how they are', () => {
    for (const [name, { depends_on: dependsOn = {} }] of Object.entries(compose.services)) {
      if (Array.isArray(dependsOn)) continue;
      for (const [other, { condition }] of Object.entries(dependsOn as Record<string, { condition: string }>)) {
        const service = compose.services[other];
        expect(service, `${name} waits for ${other}`).toBeDefined();
        if (condition !== 'service_healthy') continue;
        const isChecked = service?.healthcheck !== undefined || stages.isChecked(service?.build?.target ?? '');
        expect(isChecked, `${other} has a health check, as ${name} waits for it`).toBe(true);
      }
    }
  });

  it('mounts files and volumes that exist', () => {
    for (const { volumes = [] } of Object.values(compose.services)) {
      for (const volume of volumes) {
        const [source = ''] = volume.split(':');
        if (source.startsWith('.')) expect(existsSync(join(root, source)), source).toBe(true);
        else expect(Object.keys(compose.volumes)).toContain(source);
      }
    }
  });

  it('builds targets that the Dockerfile has, and runs them with nothing to write to and nothing to gain', () => {
    for (const name of ours) {
      const service = compose.services[name];
      expect(stages.names).toContain(service?.build?.target);
      expect(service).toMatchObject({ read_only: true, init: true, cap_drop: ['ALL'], tmpfs: ['/tmp'] });
    }
  });

  it('publishes ports on this machine alone, each once', () => {
    const ports = Object.values(compose.services).flatMap((service) => service.ports ?? []);
    expect(ports.length).toBeGreaterThan(5);
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
    expect(new Set(ports.map((port) => port.split(':')[1])).size).toBe(ports.length);
  });

  it.each<Role>(['api', 'worker', 'cli', 'migrate'])('gives the %s an environment that it can read', (role) => {
    const { EVERGRANT_KEKS_FILE: keks, ...environment } = environmentOf(role);
    const variables = {
      ...environment,
      ...(environment.APPS_FILE === undefined ? {} : { APPS_FILE: join(root, 'deploy/apps.json') }),
      ...(keks === undefined ? {} : { EVERGRANT_KEKS: `compose-1:${Buffer.alloc(32, 7).toString('base64url')}` }),
    };
    const config = parseConfig(variables, role);
    expect(config.mode).toBe('development');
    expect(config.host).toBe('0.0.0.0');
    if (role === 'api') expect(config.apps?.map(({ app }) => app.app)).toContain('demo-confirm');
    if (role === 'worker') expect(config.workerPort).toBe(9_465);
    if (role !== 'migrate') expect(config.dataCentres.us2).toBe('http://sandbox:9400/us2');
  });

  it('gives the sandbox the same data centres and apps', () => {
    const config = parseSandboxConfig(environmentOf('sandbox'));
    const worker = JSON.parse(environmentOf('worker').CONCUR_BASE_URIS ?? '');
    expect(Object.values(worker)).toEqual(Object.keys(worker).map((name) => `${config.publicUrl}/${name}`));
    const legacy = JSON.parse(environmentOf('worker').CONCUR_LEGACY_BASE_URIS ?? '');
    expect(Object.values(legacy)).toEqual(Object.keys(legacy).map((name) => `${config.publicUrl}/${name}`));
    expect(config.apps).toMatchObject(JSON.parse(buildSandboxApps({ publicUrl: 'http://localhost:8080' })));
    expect(JSON.parse(read('deploy/apps.json'))).toEqual(
      JSON.parse(buildAppsFile({ sandboxUrl: 'http://localhost:9400' })),
    );
  });

  it('tells Temporal of the search attributes and the matcher as the development server is told', () => {
    const setup = read('deploy/temporal/setup-namespace.sh');
    const told = [...setup.matchAll(/--name (\w+) --type (\w+)/g)].map(([, name, type]) => [name, type]);
    expect(Object.fromEntries(told)).toEqual(searchAttributeTypes());
    expect(parse(read('deploy/temporal/dynamic-config.yaml'))).toEqual({ 'matching.useNewMatcher': [{ value: true }] });
  });

  it('lets Prometheus ask the ports where the metrics are', () => {
    const { scrape_configs: jobs } = parse(read('deploy/prometheus/prometheus.yml'));
    const targets = jobs.flatMap((job: { static_configs: { targets: string[] }[] }) => job.static_configs[0]?.targets);
    expect(targets).toEqual([
      `api:${environmentOf('api').OPS_PORT}`,
      `worker:${environmentOf('worker').WORKER_PORT}`,
      `temporal:${environmentOf('temporal').PROMETHEUS_ENDPOINT?.split(':')[1]}`,
    ]);
  });
});
