import { describe, expect, it } from 'vitest';
import { mergePages } from '../../api/health.ts';

const ours = '# HELP reads_total Reads.\n# TYPE reads_total counter\nreads_total{app="demo"} 3\n';
const theirs =
  '# HELP reads_total Reads.\n# TYPE reads_total counter\nreads_total{app="other"} 1\n# HELP calls_total Calls.\n# TYPE calls_total counter\ncalls_total 7\n';

describe('the metrics of two processes on one page', () => {
  it('give each family one head and all of its samples', () => {
    expect(mergePages(ours, theirs).split('\n')).toEqual([
      '# HELP reads_total Reads.',
      '# TYPE reads_total counter',
      'reads_total{app="demo"} 3',
      'reads_total{app="other"} 1',
      '# HELP calls_total Calls.',
      '# TYPE calls_total counter',
      'calls_total 7',
      '',
    ]);
  });

  it('are our own when the other process does not answer', () => {
    expect(mergePages(ours, '')).toBe(ours);
  });
});
