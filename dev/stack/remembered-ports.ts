import { choosePort, isPortFree } from './ports.ts';
import { readIfThere, writePrivateFile } from './private-file.ts';

/** Ports of the parts that nobody chose, kept over restarts so that bookmarks and stored addresses stay true. */
export class RememberedPorts {
  readonly #path: string;
  readonly #ports: Map<string, number>;

  private constructor(path: string, ports: Map<string, number>) {
    this.#path = path;
    this.#ports = ports;
  }

  static async load(path: string): Promise<RememberedPorts> {
    const text = await readIfThere(path);
    return new RememberedPorts(path, new Map(text === null ? [] : Object.entries(parse(text))));
  }

  known(name: string): number | undefined {
    return this.#ports.get(name);
  }

  /** The port of last time when it is free, else the first of `wanted` that is, else any. */
  async choose(name: string, wanted: readonly number[] = []): Promise<number> {
    const others = [...this.#ports].filter(([other]) => other !== name).map(([, port]) => port);
    let port = await choosePort([this.#ports.get(name), ...wanted]);
    // Not one that another part is about to take.
    while (others.includes(port) || !(await isPortFree(port))) port = await choosePort([]);
    this.#ports.set(name, port);
    return port;
  }

  async save(): Promise<void> {
    await writePrivateFile(this.#path, `${JSON.stringify(Object.fromEntries(this.#ports), null, 2)}\n`);
  }
}

function parse(text: string): Record<string, number> {
  try {
    return JSON.parse(text) as Record<string, number>;
  } catch {
    // A file half written by an older program: the ports are chosen anew.
    return {};
  }
}
