/**
 * The metrics of two processes on one page that Prometheus takes: each family has one head, and each series is there
 * once. What both count adds up (counters, histograms); of two states (gauges) the greater holds.
 */

interface Family {
  readonly head: string[];
  isGauge: boolean;
  /** Values by series: name and labels. */
  readonly samples: Map<string, number>;
}

const HEAD = /^# (HELP|TYPE) (\S+) ?(.*)$/;
const SAMPLE = /^([A-Za-z_:][\w:]*(?:\{.*\})?) (\S+)$/;

export function mergePages(ours: string, theirs: string): string {
  const families = new Map<string, Family>();
  for (const page of [ours, theirs]) {
    let family: Family | null = null;
    for (const line of page.split('\n')) {
      const [, keyword, name = '', rest] = HEAD.exec(line) ?? [];
      if (keyword !== undefined) {
        family = families.get(name) ?? { head: [], isGauge: false, samples: new Map() };
        families.set(name, family);
        if (!family.head.some((known) => known.startsWith(`# ${keyword} `))) family.head.push(line);
        if (keyword === 'TYPE') family.isGauge = rest === 'gauge';
      } else if (family !== null) addSample(family, line);
    }
  }
  return `${[...families.values()].flatMap(linesOf).join('\n')}\n`;
}

function addSample({ isGauge, samples }: Family, line: string): void {
  const [, series, text] = SAMPLE.exec(line) ?? [];
  if (series === undefined || text === undefined) return;
  const value = parseValue(text);
  const before = samples.get(series);
  if (before === undefined) samples.set(series, value);
  else samples.set(series, isGauge ? Math.max(before, value) : before + value);
}

function linesOf({ head, samples }: Family): readonly string[] {
  return [...head, ...[...samples].map(([series, value]) => `${series} ${formatValue(value)}`)];
}

function parseValue(text: string): number {
  return text.endsWith('Inf') ? Number(text.replace('Inf', 'Infinity')) : Number(text);
}

function formatValue(value: number): string {
  return Number.isFinite(value) || Number.isNaN(value) ? String(value) : value > 0 ? '+Inf' : '-Inf';
}
