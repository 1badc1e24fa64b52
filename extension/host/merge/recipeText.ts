/** Names of files in which recipes are looked for. */
const FILES = /\.ya?ml$/i;
/** A key at the left margin that only recipes have. */
const METHOD = /^(?:merge_method|"merge_method"|'merge_method')[ \t]*:/m;
/** What is looked at: the key stands near the top of every recipe, and large YAML files are something else. */
const HEAD_CHARACTERS = 20_000;

/** Whether a text is a merge recipe, by its content; `name` is the file's name or the language's id of an unsaved text. */
export function isRecipe(name: string, text: string): boolean {
  return (FILES.test(name) || name === 'yaml') && METHOD.test(text.slice(0, HEAD_CHARACTERS));
}

/** The method that a recipe names, as written; null where it names none. */
export function methodIn(text: string): string | null {
  const found = /^(?:merge_method|"merge_method"|'merge_method')[ \t]*:[ \t]*["']?([^\s"'#]+)/m.exec(text.slice(0, HEAD_CHARACTERS));
  return found ? found[1] : null;
}
