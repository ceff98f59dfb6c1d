/** What happened in a simulated world, line by line, and a hash over it: two runs of one seed must agree in both. */
export interface Trace {
  note(line: string): void;
  lines(): readonly string[];
  /** FNV-1a over all lines. */
  hash(): string;
}

export function createTrace(nowMs: () => number): Trace {
  const lines: string[] = [];
  return {
    note: (line) => void lines.push(`${formatSpan(nowMs())} ${line}`),
    lines: () => lines,
    hash() {
      let hash = 0x811c9dc5;
      for (const line of lines) {
        for (let i = 0; i < line.length; i += 1) hash = Math.imul(hash ^ line.charCodeAt(i), 0x01000193) >>> 0;
      }
      return `${lines.length}-${hash.toString(16).padStart(8, '0')}`;
    },
  };
}

/** `1d 03:04:05.678`. */
function formatSpan(ms: number): string {
  return `${Math.floor(ms / 86_400_000)}d ${new Date(ms).toISOString().slice(11, 23)}`;
}
