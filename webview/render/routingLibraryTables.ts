import type { LibraryFacts, LibraryOverlaps } from '../../extension/protocol/routingLibrary';
import { formatNumber } from '../../extension/protocol/score';
import { libraryCell } from './routingLibrary';
import type { SiteRow } from './routingTrace';
import type { Cell, DataTable } from './table';

/** What the weights of a library say, as tables: facts, pairs, groups, both subtractions. */
export function libraryTables(facts: LibraryFacts, overlaps: LibraryOverlaps | null, rows: readonly SiteRow[]): readonly DataTable[] {
  const names = facts.adapters.map((adapter) => adapter.name);
  const finite = (value: number | undefined): number | null => (value !== undefined && Number.isFinite(value) ? value : null);
  const N = names.length;
  const tables: DataTable[] = [{
    id: 'library', title: 'Adapters by linear map', note: `Weights alone, no text was run. \u03c3: singular values of the update. Hardly determined: \u03c32/\u03c31 above 0.9. General knowledge: ${facts.genKnowSub}.`,
    columns: ['Linear map', 'Adapter', 'Rank', 'Scaling', '\u03c31', '\u03c32/\u03c31', 'Direction', 'Energy', 'Stable rank', 'Size'],
    rows: facts.sites.flatMap((site, s) => names.map((name, a): Cell[] => {
      const at = s * N + a;
      const value = (key: keyof LibraryFacts['facts']): number | null => finite(facts.facts[key][at]);
      return [site.id, name, value('rank'), value('scaling'), value('sigma1'), value('ratio'), libraryCell(facts, s, a, 'ratio').trust, value('energy'), value('stableRank'), value('frobenius')];
    })),
  }, {
    id: 'library-pairs', title: 'Pairs of adapters', note: facts.similarity.map(({ kind, sites, unrelated, why }) => `${kind}: ${why ?? `over ${formatNumber(sites)} linear maps, unrelated updates give ${formatNumber(unrelated)}`}`).join('; ') + '.',
    columns: ['Adapter', 'Other', ...facts.similarity.map(({ kind }) => (kind === 'update' ? 'Cosine of updates' : kind === 'parameters' ? 'Cosine of factors' : '|cos| of directions'))],
    rows: names.flatMap((name, i) => names.slice(0, i).map((other, j): Cell[] => [name, other, ...facts.similarity.map(({ matrix }) => finite(matrix?.[i * N + j]))])),
  }];
  if (facts.groupings.length > 0) {
    tables.push({
      id: 'library-groups', title: 'Groups of adapters', note: `Grouped by ${facts.by}. ${facts.says}`, columns: ['Groups', 'Silhouette', 'Members'],
      rows: facts.groupings.map(({ clusters, labels, silhouette }): Cell[] => [clusters, silhouette, Array.from({ length: clusters }, (_, g) => `${g + 1}: ${names.filter((__, a) => labels[a] === g).join(', ')}`).join('; ')]),
    });
  }
  if (overlaps) {
    const E = overlaps.adapters.length;
    const row = rows[facts.sites.findIndex((site) => site.id === overlaps.site)];
    tables.push({
      id: 'library-site', title: `Pairs of adapters at ${row?.words ?? overlaps.site}`, note: 'Reads in common: sum of |A A\u2032\u1d40|, 0 where two adapters read nothing in common.', columns: ['Adapter', 'Other', 'Cosine of updates', '|cos| of directions', 'Reads in common'],
      rows: overlaps.adapters.flatMap((a, i) => overlaps.adapters.slice(0, i).map((b, j): Cell[] => [names[a] ?? '', names[b] ?? '', finite(overlaps.cosine[i * E + j]), finite(overlaps.direction[i * E + j]), finite(overlaps.readOverlap[i * E + j])])),
    });
  }
  if (facts.subtraction) {
    tables.push({
      id: 'library-general', title: 'General knowledge subtracted', note: `${facts.subtraction.says} Used: ${facts.subtraction.used}. General adapters: ${facts.subtraction.general.join(', ')}.${facts.subtraction.peftWhy ? ` ${facts.subtraction.peftWhy}` : ''}`,
      columns: ['Adapter', 'Size before', 'Size, as PEFT does', 'Size, from the update', 'Cosine of the two'], rows: facts.subtraction.adapters.map(({ name, none, peft, update, cosine }): Cell[] => [name, none, peft, update, cosine]),
    });
  }
  return tables;
}
