/** What replays in the workflow sandbox is our pure code and the SDK, nothing else, and stays small. */
import { join } from 'node:path';
import { bundleWorkflowCode, type Logger } from '@temporalio/worker';
import { afterAll, describe, expect, it } from 'vitest';
import { workflowBundle } from '../../worker/bundle.ts';
import { plantHouse } from './planted-house.ts';

/** With its source map, most of it the SDK's: 1.8 MB with SDK 1.24. Every worker parses it once per isolate. */
const MOST_BYTES = 2_500_000;

const OURS = /^\.\/(core|workflows)\/[a-z-]+\.(ts|cjs)$/;
const LIBRARIES = /node_modules\/(@temporalio\/(workflow|common)|nexus-rpc|ms|long)\//;
/** The SDK's optional converters, which are none here. */
const EMPTY = /^(\?[0-9a-f]+|__temporal_custom_(payload|failure)_converter)$/;

const silent = (): void => {};
const logger: Logger = { log: silent, trace: silent, debug: silent, info: silent, warn: silent, error: silent };

/** Names of the modules in a bundle of webpack. */
function modulesOf(code: string): readonly string[] {
  return [...code.matchAll(/^\/\*{3}\/ "([^"]+)"/gm)].map(([, name]) => name ?? '');
}

function strangersOf(code: string): readonly string[] {
  return modulesOf(code).filter((name) => !OURS.test(name) && !LIBRARIES.test(name) && !EMPTY.test(name));
}

describe('the workflow bundle', () => {
  it('holds the lifecycle and the core, the SDK, and nothing else', async () => {
    const bundle = await workflowBundle();
    if (!('code' in bundle)) throw new Error('a prebuilt bundle lies beside the sources');
    expect(modulesOf(bundle.code)).toEqual(
      expect.arrayContaining(['./workflows/connection-lifecycle.ts', './core/lifecycle.ts']),
    );
    expect(strangersOf(bundle.code)).toEqual([]);
    expect(Buffer.byteLength(bundle.code)).toBeLessThan(MOST_BYTES);
  });
});

describe('a planted workflow', () => {
  const place = plantHouse({
    'workflows/uses-node.ts':
      "import { readFileSync } from 'node:fs';\nexport async function w() { return readFileSync('x'); }",
    'workflows/uses-http.ts':
      "import { request } from 'undici';\nexport async function w() { return request('http://x'); }",
    'workflows/uses-library.ts':
      "import { z } from 'zod';\nexport async function w() { return z.string().parse('x'); }",
    'workflows/uses-vault.ts':
      "import { vault } from '../vault/vault.ts';\nexport async function w() { return vault; }",
    'vault/vault.ts': 'export const vault = 1;',
  });
  const bundle = (file: string) => bundleWorkflowCode({ workflowsPath: join(place.root, file), logger });
  afterAll(() => place.remove());

  it.each(['workflows/uses-node.ts', 'workflows/uses-http.ts'])('that needs Node is refused: %s', async (file) => {
    await expect(bundle(file)).rejects.toThrow();
  });

  it('that brings a library or another part of the house is found', async () => {
    expect(strangersOf((await bundle('workflows/uses-library.ts')).code)).toContainEqual(
      expect.stringContaining('zod'),
    );
    expect(strangersOf((await bundle('workflows/uses-vault.ts')).code)).toContainEqual(
      expect.stringContaining('vault/vault.ts'),
    );
  });
});
