/** How a label of the user's probe is drawn everywhere: a letter and a hue, never the hue alone. */
export interface LabelStyle {
  readonly name: string;
  /** Different for every label. */
  readonly letter: string;
  /** 1..8, the categorical colours; 8 is shared by all labels after the seventh when there are more than eight. */
  readonly hue: number;
  /** The hue as CSS. */
  readonly colour: string;
}

/** Hues that are told apart; one more is "other". */
const HUES = 8;

/** Gives each label, in order, the first initial that is still free, and a hue. */
export function styleLabels(names: readonly string[]): readonly LabelStyle[] {
  const taken = new Set<string>();
  return names.map((name, index) => {
    const letter = freeLetter(name, taken);
    taken.add(letter);
    const hue = names.length > HUES ? Math.min(HUES, index + 1) : index + 1;
    return { name, letter, hue, colour: `var(--ml-cat-${hue})` };
  });
}

/** Initials of the words first, then the letters of the name, then the alphabet in both cases, then numbers; digits last, because numbers name experts. */
function freeLetter(name: string, taken: ReadonlySet<string>): string {
  const letters = [...name].filter((c) => /\p{L}/u.test(c));
  const initials = [...name.matchAll(/(?:^|[^\p{L}\p{N}])(\p{L})/gu)].map((match) => match[1] ?? '');
  const upper = (c: string): string => ([...c.toLocaleUpperCase('en')].length === 1 ? c.toLocaleUpperCase('en') : c);
  for (const candidate of [...initials, ...letters].map(upper)) if (candidate && !taken.has(candidate)) return candidate;
  for (const candidate of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz') if (!taken.has(candidate)) return candidate;
  let number = taken.size;
  while (taken.has(String(number))) number++;
  return String(number);
}

/** The label that an expert is named after, or null where none is above chance. */
export function dominantLabel(labels: readonly LabelStyle[], dominant: ArrayLike<number>, expert: number): LabelStyle | null {
  const index = dominant[expert] ?? -1;
  return index >= 0 ? labels[index] ?? null : null;
}
