/**
 * Subject and rivals take turns, and every round begins with another of them: whatever else the machine does meanwhile
 * is shared out.
 */
export async function interleave<T>(
  rounds: number,
  contenders: Readonly<Record<string, (round: number) => Promise<T>>>,
): Promise<Readonly<Record<string, readonly T[]>>> {
  const names = Object.keys(contenders);
  const results = new Map<string, T[]>(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (let turn = 0; turn < names.length; turn += 1) {
      const name = names[(round + turn) % names.length] ?? '';
      const contender = contenders[name];
      if (contender !== undefined) results.get(name)?.push(await contender(round));
    }
  }
  return Object.fromEntries(results);
}
