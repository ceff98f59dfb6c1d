/** Billable actions as the Temporal server counts them: the sum of its `action` counter over all kinds. */
export async function countActions(metricsUrl: string): Promise<number> {
  return Object.values(await actionsByType(metricsUrl)).reduce((sum, count) => sum + count, 0);
}

export async function actionsByType(metricsUrl: string): Promise<Readonly<Record<string, number>>> {
  const text = await (await fetch(metricsUrl)).text();
  const counts: Record<string, number> = {};
  for (const [, labels = '', value] of text.matchAll(/^action\{(.*)\} (\S+)$/gm)) {
    const type = /action_type="([^"]*)"/.exec(labels)?.[1] ?? 'unknown';
    counts[type] = (counts[type] ?? 0) + Number(value);
  }
  return counts;
}
