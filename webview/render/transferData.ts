import type { Score } from '../../extension/protocol/score';
import type { DroppedPart, LayerPair, PlannedSite, TransferDocument, TransferPlan, TransferredSite } from '../../extension/protocol/transfer';

/** Where a site lies: its block (null outside the blocks) and the short name of its part ("q", "gate", "experts.7.up"). */
export interface SitePlace {
  readonly layer: number | null;
  readonly part: string;
}

/** Takes a site's name apart: `blocks.3.attention.q` is q of layer 3. Other stacks keep their name before the part. */
export function sitePlace(name: string): SitePlace {
  const match = /^(?:(.+)\.)?blocks\.(\d+)\.(.+)$/.exec(name);
  if (!match) return { layer: null, part: name };
  const part = (match[3] ?? '').replace(/^(attention|ffn|moe)\./, '').replace(/^crossAttention\./, 'cross ');
  return { layer: Number(match[2]), part: match[1] === undefined || match[1] === 'decoder' ? part : `${match[1]} ${part}` };
}

/** `L3.q`; the name itself outside the blocks. */
export function siteText(name: string): string {
  const { layer, part } = sitePlace(name);
  return layer === null ? part : `L${layer}.${part}`;
}

/** A layer of the source: how much of the module it holds and where that goes. */
export interface SourceLayer {
  readonly index: number;
  /** Of the module's squared update norm. */
  readonly share: number;
  /** Target layers that take it, input first. */
  readonly to: readonly number[];
  /** Sites of the module in it, and those that will not arrive. */
  readonly sites: number;
  readonly dropped: number;
  /** Why, where every site of it is dropped for one reason. */
  readonly reason: string | null;
}

/** A layer of the target: what it takes, and how well the maps of its sites explain held-out tokens. */
export interface TargetLayer {
  readonly index: number;
  readonly from: number | null;
  readonly cka: Score | null;
  readonly sites: number;
  /** Means over the sites where something was fitted; null where nothing was. */
  readonly r2: number | null;
  readonly r2Null: number | null;
  /** Fewest held-out tokens of those sites. */
  readonly heldOut: number;
}

/** Both sides of a transfer by layer. */
export interface LayerMap {
  readonly source: readonly SourceLayer[];
  readonly target: readonly TargetLayer[];
  /** The pairs may still change when texts have been run. */
  readonly provisional: boolean;
  /** Maps were fitted, so that there is something to colour by. */
  readonly measured: boolean;
}

/** Sites with what plan and document have in common. */
type AnySite = PlannedSite | TransferredSite;

interface Parts {
  readonly sourceLayers: number | null;
  readonly targetLayers: number | null;
  readonly layers: readonly LayerPair[];
  readonly sites: readonly AnySite[];
  readonly dropped: readonly DroppedPart[];
}

export function layerMapOfPlan(plan: TransferPlan): LayerMap {
  return makeMap({ sourceLayers: plan.from.layers, targetLayers: plan.to.layers, layers: plan.layers, sites: plan.sites, dropped: plan.dropped }, plan.provisionalLayers, false);
}

export function layerMapOfDocument(document: TransferDocument): LayerMap {
  return makeMap({ sourceLayers: document.from.layers, targetLayers: document.to.layers, layers: document.layers, sites: document.sites, dropped: document.dropped }, false, document.sites.some(({ r2 }) => r2 !== null));
}

function makeMap(parts: Parts, provisional: boolean, measured: boolean): LayerMap {
  const sourceCount = Math.max(parts.sourceLayers ?? 0, ...parts.layers.map(({ from }) => (from ?? -1) + 1), ...[...parts.dropped.map(({ name }) => name), ...parts.sites.map(({ from }) => from)].map((name) => (sitePlace(name).layer ?? -1) + 1));
  const targetCount = Math.max(parts.targetLayers ?? 0, ...parts.layers.map(({ to }) => to + 1));
  const byName = new Map(parts.layers.map((pair) => [pair.to, pair] as const));
  const source = Array.from({ length: sourceCount }, (_, index) => sourceLayer(index, parts));
  const target = Array.from({ length: targetCount }, (_, index) => targetLayer(index, byName.get(index) ?? null, parts));
  return { source, target, provisional, measured };
}

function sourceLayer(index: number, { layers, sites, dropped }: Parts): SourceLayer {
  const to = layers.filter(({ from }) => from === index).map((pair) => pair.to).sort((a, b) => a - b);
  const carried = new Map<string, number>();
  for (const site of sites) if (sitePlace(site.from).layer === index) carried.set(site.from, 'share' in site ? site.share : 0);
  const gone = dropped.filter(({ name }) => sitePlace(name).layer === index);
  const named = gone.reduce((sum, { share }) => sum + share, 0) + [...carried.values()].reduce((sum, share) => sum + share, 0);
  const paired = layers.find(({ from }) => from === index)?.share ?? 0;
  const reasons = new Set(gone.map(({ reason }) => reason));
  return { index, share: Math.max(named, paired), to, sites: carried.size + gone.length, dropped: gone.length, reason: carried.size === 0 && reasons.size === 1 ? ([...reasons][0] ?? null) : null };
}

function targetLayer(index: number, pair: LayerPair | null, { sites }: Parts): TargetLayer {
  const here = sites.filter(({ name }) => sitePlace(name).layer === index);
  const fitted = here.filter((site): site is TransferredSite => 'r2' in site && site.r2 !== null);
  const nulls = fitted.flatMap(({ r2Null }) => (r2Null === null ? [] : [r2Null]));
  return {
    index, from: pair?.from ?? null, cka: pair?.cka ?? null, sites: here.length,
    r2: mean(fitted.map(({ r2 }) => r2 ?? 0)), r2Null: mean(nulls), heldOut: fitted.length === 0 ? 0 : Math.min(...fitted.map(({ heldOut }) => heldOut)),
  };
}

export function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Whether every site of the layer stays behind. */
export function isLost({ sites, dropped, to }: SourceLayer): boolean {
  return (sites > 0 && dropped === sites) || (sites === 0 && to.length === 0);
}

/** Whether the maps explain more than those fitted on shuffled token pairs. */
export function isExplained({ r2, r2Null }: { readonly r2: number | null; readonly r2Null: number | null }): boolean {
  return r2 !== null && r2 > Math.max(0, r2Null ?? 0);
}

/** Parts that stay behind, those of one layer and reason in one line, largest share first. */
export interface DroppedGroup {
  readonly name: string;
  readonly sites: number;
  readonly reason: string;
  readonly share: number;
}

export function droppedGroups(dropped: readonly DroppedPart[], sites: readonly { readonly from: string }[]): readonly DroppedGroup[] {
  const groups = new Map<string, DroppedPart[]>();
  for (const part of dropped) {
    const { layer } = sitePlace(part.name);
    const key = layer === null ? `:${part.name}` : `${layer}:${part.reason}`;
    const known = groups.get(key);
    if (known) known.push(part);
    else groups.set(key, [part]);
  }
  const carried = new Set(sites.map(({ from }) => sitePlace(from).layer));
  return [...groups.values()].map((parts): DroppedGroup => {
    const [first] = parts;
    const { layer } = sitePlace(first.name);
    const whole = layer !== null && parts.length > 1 && !carried.has(layer);
    const name = parts.length === 1 ? siteText(first.name) : whole ? `L${layer}, all ${parts.length}` : `L${layer}: ${parts.map(({ name: one }) => sitePlace(one).part).join(', ')}`;
    return { name, sites: parts.length, reason: first.reason, share: parts.reduce((sum, { share }) => sum + share, 0) };
  }).sort((a, b) => b.share - a.share);
}

/** Sites of the source by layer and part: what is carried, what is dropped. */
export interface SiteCell {
  readonly state: 'carried' | 'dropped' | 'none';
  readonly share: number;
  readonly name: string;
  readonly to: readonly string[];
  readonly words: string;
}
export interface SiteMatrix {
  readonly parts: readonly string[];
  readonly rows: readonly { readonly layer: number; readonly to: readonly number[]; readonly share: number; readonly lost: boolean; readonly cells: readonly SiteCell[] }[];
}

export function siteMatrix(plan: TransferPlan, map: LayerMap): SiteMatrix {
  const cells = new Map<string, SiteCell>();
  const parts = new Set<string>();
  const order: string[] = [];
  const put = (name: string, cell: SiteCell): void => {
    const { layer, part } = sitePlace(name);
    if (layer === null) return;
    if (!parts.has(part)) order.push(part);
    parts.add(part);
    cells.set(`${layer}:${part}`, cell);
  };
  for (const site of plan.sites) {
    const { layer, part } = sitePlace(site.from);
    const known = cells.get(`${layer}:${part}`);
    put(site.from, { state: 'carried', share: site.share, name: site.from, to: [...(known?.to ?? []), site.name], words: site.rule });
  }
  for (const { name, share, reason } of plan.dropped) put(name, { state: 'dropped', share, name, to: [], words: reason });
  const rows = map.source.filter(({ sites }) => sites > 0).map((source) => ({
    layer: source.index, to: source.to, share: source.share, lost: isLost(source),
    cells: order.map((part): SiteCell => cells.get(`${source.index}:${part}`) ?? { state: 'none', share: 0, name: '', to: [], words: 'the module has no part here' }),
  }));
  return { parts: order, rows };
}

/** Share of the module's squared norm that stays behind. */
export function droppedShare(dropped: readonly DroppedPart[]): number {
  return dropped.reduce((sum, { share }) => sum + share, 0);
}

/** Sites that arrived at one target layer, summed up. */
export interface LayerSites {
  readonly layer: number | null;
  readonly sites: number;
  readonly coverageIn: number;
  readonly coverageOut: number;
  readonly kept: readonly [number, number];
  /** Geometric mean of the scale factors of both sides. */
  readonly scale: number;
  readonly normFrom: number;
  readonly normTo: number;
}

export function sitesByLayer(sites: readonly TransferredSite[]): readonly LayerSites[] {
  const groups = new Map<number | null, TransferredSite[]>();
  for (const site of sites) {
    const { layer } = sitePlace(site.name);
    const known = groups.get(layer);
    if (known) known.push(site);
    else groups.set(layer, [site]);
  }
  return [...groups].sort(([a], [b]) => (a ?? Infinity) - (b ?? Infinity)).map(([layer, list]) => ({
    layer, sites: list.length, coverageIn: mean(list.map((s) => s.coverageIn)) ?? 0, coverageOut: mean(list.map((s) => s.coverageOut)) ?? 0,
    kept: [Math.min(...list.map((s) => s.kept)), Math.max(...list.map((s) => s.kept))], scale: Math.exp(mean(list.map((s) => Math.log(Math.max(1e-12, Math.abs(s.scaleIn * s.scaleOut))))) ?? 0),
    normFrom: mean(list.map((s) => s.relativeNormFrom)) ?? 0, normTo: mean(list.map((s) => s.relativeNormTo)) ?? 0,
  }));
}
