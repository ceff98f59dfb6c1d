/** As much of a Dockerfile as the tests need: its stages, what each is made from, and its instructions. */
export interface Instruction {
  readonly name: string;
  readonly value: string;
}

export interface Stage {
  readonly name: string;
  readonly from: string;
  readonly instructions: readonly Instruction[];
}

export interface Dockerfile {
  readonly names: readonly string[];
  /** The stages that an image is made of, the first one first. */
  chain(target: string): readonly Stage[];
  environmentOf(target: string): Readonly<Record<string, string>>;
  isChecked(target: string): boolean;
  /** The last value of an instruction in the whole chain. */
  last(target: string, instruction: string): string | undefined;
}

export function readDockerfile(text: string): Dockerfile {
  const stages: { name: string; from: string; instructions: Instruction[] }[] = [];
  for (const { name, value } of instructionsOf(text)) {
    const [, from, stage] = /^(\S+) AS (\S+)$/.exec(value) ?? [];
    if (name === 'FROM' && from !== undefined && stage !== undefined)
      stages.push({ name: stage, from, instructions: [] });
    else stages.at(-1)?.instructions.push({ name, value });
  }
  const chain = (target: string): readonly Stage[] => {
    const stage = stages.find(({ name }) => name === target);
    return stage === undefined ? [] : [...chain(stage.from), stage];
  };
  const all = (target: string, instruction: string): readonly string[] =>
    chain(target).flatMap(({ instructions }) =>
      instructions.filter(({ name }) => name === instruction).map(({ value }) => value),
    );
  return {
    names: stages.map(({ name }) => name),
    chain,
    environmentOf: (target) =>
      Object.fromEntries(
        all(target, 'ENV').flatMap((value) =>
          [...value.matchAll(/([A-Z_]+)=(\S+)/g)].map(([, key, set]) => [key ?? '', set ?? ''] as const),
        ),
      ),
    isChecked: (target) => all(target, 'HEALTHCHECK').length > 0,
    last: (target, instruction) => all(target, instruction).at(-1),
  };
}

/** Comments left out, continued lines joined. */
function instructionsOf(text: string): readonly Instruction[] {
  const lines = text
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('\n')
    .replaceAll(/\\\n\s*/g, ' ')
    .split('\n');
  return lines.flatMap((line) => {
    const [, name, value] = /^([A-Z]+) (.+)$/.exec(line) ?? [];
    return name === undefined || value === undefined ? [] : [{ name, value: value.trim() }];
  });
}
