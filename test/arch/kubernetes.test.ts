/** `deploy/kubernetes` is valid by Kubernetes' own schemas, and says what the programs understand. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { drainOf } from '../../api/drain.ts';
import { readDockerfile } from '../../dev/check/dockerfile.ts';
import { resolvePromtool } from '../../dev/stack/promtool.ts';
import { runCommand } from '../../dev/stack/run-command.ts';
import { parseConfig } from '../../runtime/config.ts';
import type { Role } from '../../runtime/settings.ts';
import { workerDrainOf } from '../../worker/drain.ts';
import { root } from './planted-house.ts';

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
}
interface Container {
  readonly name: string;
  readonly image: string;
  readonly args?: readonly string[];
  readonly envFrom?: readonly { readonly configMapRef: { readonly name: string } }[];
  readonly env?: readonly { readonly name: string; readonly value: string }[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly startupProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly securityContext: object;
  readonly resources: { readonly requests: object; readonly limits: object };
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string; readonly readOnly: boolean }[];
}
interface Volume {
  readonly name: string;
  readonly secret?: { readonly secretName: string; readonly defaultMode: number };
  readonly configMap?: { readonly name: string };
}
interface PodSpec {
  readonly serviceAccountName: string;
  readonly automountServiceAccountToken: boolean;
  readonly securityContext: object;
  readonly terminationGracePeriodSeconds?: number;
  readonly containers: readonly Container[];
  readonly volumes: readonly Volume[];
}
interface Labelled {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}
interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Labelled & { readonly namespace?: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly stringData?: Readonly<Record<string, string>>;
  readonly spec?: {
    readonly template?: { readonly metadata: Labelled; readonly spec: PodSpec };
    readonly selector?: Readonly<Record<string, string>> & {
      readonly matchLabels?: Readonly<Record<string, string>>;
    };
    readonly podSelector?: { readonly matchLabels?: Readonly<Record<string, string>> };
    readonly ports?: readonly { readonly targetPort: string }[];
    readonly ingress?: readonly { readonly ports: readonly { readonly port: string }[] }[];
    readonly rules?: readonly { readonly http: { readonly paths: readonly { readonly backend: Backend }[] } }[];
    readonly strategy?: object;
  };
}
interface Backend {
  readonly service: { readonly name: string; readonly port: { readonly name: string } };
}

const folder = join(root, 'deploy/kubernetes');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const manifests = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.yaml'))
  .flatMap((file) => parseAllDocuments(read(join('deploy/kubernetes', file))).map((each) => each.toJS() as Manifest));
const ofKind = (kind: string): readonly Manifest[] => manifests.filter((manifest) => manifest.kind === kind);
const named = (kind: string, name: string): Manifest | undefined =>
  ofKind(kind).find(({ metadata }) => metadata.name === name);
const pods = [...ofKind('Deployment'), ...ofKind('Job')].map((manifest) => {
  const { metadata, spec } = manifest.spec?.template ?? {};
  const [container] = spec?.containers ?? [];
  if (metadata === undefined || spec === undefined || container === undefined) throw new Error('no pod');
  return { name: manifest.metadata.name, manifest, metadata, spec, container };
});
type Pod = (typeof pods)[number];
const dockerfile = readDockerfile(read('Dockerfile'));
const targetOf = ({ container }: Pod): string => /\/evergrant-([a-z]+):/.exec(container.image)?.[1] ?? '';
const isCovered = (selector: Readonly<Record<string, string>>, { metadata }: Pod): boolean =>
  Object.entries(selector).every(([key, value]) => metadata.labels[key] === value);

/** What a pod's process finds in its environment, but for the image's own part. */
function told({ container }: Pod): Readonly<Record<string, string>> {
  const shared = (container.envFrom ?? []).map(
    ({ configMapRef }) => named('ConfigMap', configMapRef.name)?.data ?? { [configMapRef.name]: 'is no ConfigMap' },
  );
  const own = (container.env ?? []).map(({ name, value }) => [name, value] as const);
  return Object.assign({}, ...shared, Object.fromEntries(own));
}

/** The text of a file that is mounted into a pod, by the example Secrets and the ConfigMaps. */
function mounted({ container, spec }: Pod, path: string): string | undefined {
  const mount = container.volumeMounts.find(({ mountPath }) => path.startsWith(`${mountPath}/`));
  const volume = spec.volumes.find(({ name }) => name === mount?.name);
  const key = path.slice((mount?.mountPath.length ?? 0) + 1);
  if (volume?.secret !== undefined) return named('Secret', volume.secret.secretName)?.stringData?.[key];
  return named('ConfigMap', volume?.configMap?.name ?? '')?.data?.[key];
}

describe.each(['1.30', '1.37'])('deploy/kubernetes, by the schemas of Kubernetes %s', (version) => {
  const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
  ajv.addSchema(JSON.parse(read(`test/arch/fixtures/kubernetes-${version}.json`)), 'kubernetes');
  const groups: Readonly<Record<string, string>> = { v1: 'core.v1' };
  const errorsOf = (manifest: object & { readonly apiVersion: string; readonly kind: string }): readonly string[] => {
    const group = groups[manifest.apiVersion] ?? manifest.apiVersion.replace('.k8s.io', '').replace('/', '.');
    const validate = ajv.getSchema(`kubernetes#/$defs/io.k8s.api.${group}.${manifest.kind}`);
    if (validate === undefined) return [`no ${manifest.kind} in ${manifest.apiVersion}`];
    void validate(manifest);
    return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
  };

  it('is valid', () => {
    expect(manifests.length).toBeGreaterThan(15);
    for (const manifest of manifests) {
      expect(errorsOf(manifest), `${manifest.kind} ${manifest.metadata.name}`).toEqual([]);
      // So that the namespace is the choice of whoever applies them.
      expect(manifest.metadata.namespace).toBeUndefined();
    }
  });

  it.each([
    ['a misspelt field', 'livenessProbe', 'livenesProbe'],
    ['a text for a number', 'containerPort: 9465', 'containerPort: "ops"'],
    ['a field in the wrong place', 'serviceAccountName: evergrant', 'runAsNonRoot: true'],
    ['a kind of another version', 'apps/v1', 'apps/v1beta1'],
  ])('would not be with %s', (_what, right, wrong) => {
    const [deployment] = parseAllDocuments(read('deploy/kubernetes/worker.yaml').replace(right, wrong));
    expect(errorsOf(deployment?.toJS() as Manifest)).not.toEqual([]);
  });
});

describe('the manifests', () => {
  const place = mkdtempSync(join(tmpdir(), 'evergrant-kubernetes-'));
  afterAll(() => rmSync(place, { recursive: true }));

  /** The configuration that a pod's process reads: its mounted files are put where it can find them. */
  function configOf(pod: Pod, role: Role) {
    const files = new Map<string, string>();
    const put = (path: string): string => {
      const text = mounted(pod, path);
      expect(text, `${pod.name} has ${path}`).toBeDefined();
      const copy = join(place, `${pod.name}${path.replaceAll('/', '-')}`);
      files.set(path, copy);
      // Files named within the apps file are beside their copies too.
      writeFileSync(
        copy,
        (text ?? '').replaceAll(/"(\/run\/[^"]+)"/g, (_all, inner: string) => `"${put(inner)}"`),
      );
      return copy;
    };
    const variables = Object.entries({ ...dockerfile.environmentOf(targetOf(pod)), ...told(pod) }).map(
      ([name, value]) => [name, value.startsWith('/') ? put(value) : value] as const,
    );
    return parseConfig(Object.fromEntries(variables), role);
  }

  it('run images that the Dockerfile makes, of the version in package.json', () => {
    const { version } = JSON.parse(read('package.json')) as { version: string };
    for (const pod of pods) {
      expect(dockerfile.names, pod.container.image).toContain(targetOf(pod));
      expect(pod.container.image.endsWith(`:${version}`)).toBe(true);
    }
    expect(pods.map(targetOf).toSorted()).toEqual(['api', 'api', 'cli', 'worker']);
  });

  it('set variables that there are, and no other', () => {
    const documented = new Set(
      [...read('docs/configuration.md').matchAll(/`([A-Z][A-Z_]+)`/g)].map(([, name]) => name),
    );
    const isKnown = (name: string): boolean => documented.has(name) || documented.has(name.replace(/_FILE$/, ''));
    for (const pod of pods) expect(Object.keys(told(pod)).filter((name) => !isKnown(name))).toEqual([]);
    expect(isKnown('DATABSE_URL')).toBe(false);
    expect(isKnown('EVERGRANT_KEKS_FILE')).toBe(true);
  });

  it('give each process a configuration that it can read, and no more secrets than it needs', () => {
    const roles: Readonly<Record<string, Role>> = { api: 'api', worker: 'worker', cli: 'migrate' };
    for (const pod of pods) {
      const config = configOf(pod, roles[targetOf(pod)] ?? 'cli');
      expect(config.mode).toBe('production');
      expect(config.host).toBe('0.0.0.0');
      expect(pod.spec.volumes.some(({ secret }) => secret?.secretName === 'evergrant-owner')).toBe(
        targetOf(pod) === 'cli',
      );
    }
    const [connect, partner] = ['evergrant-connect', 'evergrant-partner'].map((name) => {
      const pod = pods.find((each) => each.name === name);
      if (pod === undefined) throw new Error(`no ${name}`);
      return configOf(pod, 'api');
    });
    expect(connect).toMatchObject({ serve: ['connect', 'ops'], apps: null });
    expect(partner).toMatchObject({ serve: ['partner', 'ops'], apps: [{ app: { app: 'erp' } }] });
  });

  it('ask and publish ports on which the processes listen', () => {
    for (const pod of pods.filter(({ manifest }) => manifest.kind === 'Deployment')) {
      const set = dockerfile.environmentOf(targetOf(pod));
      const listens =
        targetOf(pod) === 'worker'
          ? { ops: Number(set.WORKER_PORT) }
          : { http: Number(set.PORT), ops: Number(set.OPS_PORT) };
      const ports = (pod.container.ports ?? []).map(({ name, containerPort }) => [name, containerPort]);
      expect(Object.fromEntries(ports)).toEqual(listens);
      const { startupProbe, livenessProbe, readinessProbe } = pod.container;
      expect(startupProbe?.httpGet).toEqual({ path: '/healthz', port: 'ops' });
      expect(livenessProbe?.httpGet).toEqual({ path: '/healthz', port: 'ops' });
      expect(readinessProbe?.httpGet).toEqual({ path: '/readyz', port: 'ops' });
      expect(pod.metadata.annotations).toEqual({
        'prometheus.io/scrape': 'true',
        'prometheus.io/port': String(listens.ops),
        'prometheus.io/path': '/metrics',
      });
    }
  });

  it('grant each process more time than it takes to end', () => {
    const grantedMs = (pod: Pod): number => (pod.spec.terminationGracePeriodSeconds ?? 30) * 1_000;
    const deployments = pods.filter(({ manifest }) => manifest.kind === 'Deployment');
    expect(deployments).toHaveLength(3);
    for (const pod of deployments) {
      const isWorker = targetOf(pod) === 'worker';
      const config = configOf(pod, isWorker ? 'worker' : 'api');
      const needed = isWorker ? workerDrainOf(config) : drainOf(config);
      expect(grantedMs(pod), pod.name).toBeGreaterThan(needed.deadlineMs);
      // An old pod goes when a new one is ready.
      expect(pod.manifest.spec?.strategy).toEqual({
        type: 'RollingUpdate',
        rollingUpdate: { maxSurge: 1, maxUnavailable: 0 },
      });
    }
    const compose = parse(read('docker-compose.yml')) as {
      services: Record<'api' | 'worker', { stop_grace_period?: string }>;
    };
    expect(compose.services.worker.stop_grace_period).toBe('4m');
    expect(compose.services.api.stop_grace_period).toBe('1m');
  });

  it('leave the processes nothing to write to and nothing to gain', () => {
    for (const { name, spec, container } of pods) {
      expect(spec, name).toMatchObject({
        serviceAccountName: 'evergrant',
        automountServiceAccountToken: false,
        // By number: of a name Kubernetes can't tell that it is not root.
        securityContext: { runAsNonRoot: true, runAsUser: 1_000, seccompProfile: { type: 'RuntimeDefault' } },
      });
      expect(container.securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      expect(container.resources).toMatchObject({
        requests: { cpu: expect.any(String), memory: expect.any(String) },
        limits: { memory: expect.any(String) },
      });
      expect(spec.containers).toHaveLength(1);
      expect(container.volumeMounts.every(({ readOnly }) => readOnly)).toBe(true);
      // With others the file would be readable by all, or by root alone.
      for (const { secret } of spec.volumes) if (secret !== undefined) expect(secret.defaultMode).toBe(0o440);
    }
    expect(named('ServiceAccount', 'evergrant')).toMatchObject({ automountServiceAccountToken: false });
  });

  it('select pods that there are, and guard every one against the network and against being drained at once', () => {
    const selectors = manifests.flatMap(({ kind, spec }) => {
      const selector = spec?.podSelector?.matchLabels ?? spec?.selector?.matchLabels ?? spec?.selector;
      return selector === undefined ? [] : [{ kind, selector }];
    });
    expect(selectors.length).toBeGreaterThan(10);
    for (const { kind, selector } of selectors) {
      expect(
        pods.some((pod) => isCovered(selector, pod)),
        `${kind} ${JSON.stringify(selector)}`,
      ).toBe(true);
    }
    for (const pod of pods) {
      const guards = selectors.filter(({ selector }) => isCovered(selector, pod)).map(({ kind }) => kind);
      expect(guards, pod.name).toContain('NetworkPolicy');
      if (pod.manifest.kind === 'Deployment') expect(guards).toContain('PodDisruptionBudget');
    }
    for (const { spec } of ofKind('Service')) {
      for (const { targetPort } of spec?.ports ?? []) expect(targetPort).toBe('http');
    }
    for (const { spec } of ofKind('Ingress')) {
      const backends = spec?.rules?.flatMap(({ http }) => http.paths.map(({ backend }) => backend.service.name)) ?? [];
      expect(backends.length).toBeGreaterThan(0);
      for (const backend of backends) expect(named('Service', backend)).toBeDefined();
    }
  });
});

describe('deploy/prometheus/kubernetes.yml', () => {
  let promtool: string;
  beforeAll(async () => {
    promtool = await resolvePromtool({ env: process.env, report: (line) => void process.stderr.write(`${line}\n`) });
    // Where it has to be fetched, once per machine.
  }, 30 * 60_000);

  it('is a configuration of Prometheus, and names the jobs that the alerts expect', async () => {
    const text = read('deploy/prometheus/kubernetes.yml');
    const folder = mkdtempSync(join(tmpdir(), 'evergrant-prometheus-'));
    const check = async (config: string) => {
      writeFileSync(join(folder, 'config.yml'), config);
      const args = ['check', 'config', 'config.yml'];
      return (await runCommand(promtool, args, { cwd: folder, timeoutMs: 30_000 })).code;
    };
    // Distributions build the program without Kubernetes.
    const elsewhere = text
      .replace('/etc/prometheus/alerts.yml', join(root, 'deploy/prometheus/alerts.yml'))
      .replace(/kubernetes_sd_configs: .*/, 'static_configs: [{ targets: ["api:9464"] }]');
    try {
      expect(await check(elsewhere)).toBe(0);
      expect(await check(elsewhere.replace('action: keep', 'action: kept'))).not.toBe(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
    const components = pods.map(({ metadata }) => metadata.labels['app.kubernetes.io/component']);
    expect(new Set(components)).toEqual(new Set(['api', 'worker', undefined]));
    expect(text).toContain('replacement: evergrant-$1');
    for (const job of ['evergrant-api', 'evergrant-worker'])
      expect(read('deploy/prometheus/alerts.yml')).toContain(job);
  });
});
