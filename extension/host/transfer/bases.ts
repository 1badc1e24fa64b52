import { nameOf, pathOf, samePlace } from '../paths';

/** A checkpoint that can be offered. `label`: how it is called ("org/name" in the Hugging Face cache). */
export interface BasePlace {
  readonly label: string;
  readonly path: string;
  readonly origin: 'workspace' | 'beside' | 'cache' | 'sample';
}

/** Places where the base that a module names may lie, seen from the module itself: the path it says, and folders beside it. */
export function placesBeside(module: string, named: string | null): readonly string[] {
  if (named === null || named.trim() === '') return [];
  const style = pathOf(module);
  const parent = style.dirname(module);
  const own = pathOf(named).isAbsolute(named) ? [named] : [style.join(module, named), style.join(parent, named)];
  const name = nameOf(named);
  return [...new Set([...own, style.join(parent, name), style.join(style.dirname(parent), name)])];
}

/** Checkpoints in the order in which a user most likely wants them: those that bear the named name first; each place once. */
export function orderBases(named: string | null, places: readonly BasePlace[], without: readonly string[] = []): { readonly named: readonly BasePlace[]; readonly others: readonly BasePlace[] } {
  const once: BasePlace[] = [];
  for (const place of places) if (!once.some(({ path }) => samePlace(path, place.path)) && !without.some((path) => samePlace(path, place.path))) once.push(place);
  const wanted = named === null ? null : named.replace(/[\\/]+$/, '').toLowerCase();
  const short = named === null ? null : nameOf(named).toLowerCase();
  const rank = ({ label, path, origin }: BasePlace): number => {
    if (wanted === null) return 0;
    if (label.toLowerCase() === wanted || path.toLowerCase() === wanted) return 3;
    if (origin === 'beside') return 2;
    return nameOf(label).toLowerCase() === short || nameOf(path).toLowerCase() === short ? 1 : 0;
  };
  const ranked = once.map((place) => ({ place, rank: rank(place) }));
  return { named: ranked.filter((one) => one.rank > 0).sort((a, b) => b.rank - a.rank).map(({ place }) => place), others: ranked.filter((one) => one.rank === 0).map(({ place }) => place) };
}

/** The folder of a module that a click means: the folder itself, or that of its adapter_config.json or its weights. */
export function moduleFolderOf(path: string, isFile: (path: string) => boolean): string {
  return isFile(path) ? pathOf(path).dirname(path) : path;
}
