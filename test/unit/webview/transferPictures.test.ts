import { describe, expect, it } from 'vitest';
import type { TransferDocument } from '../../../extension/protocol/transfer';
import { rampOf } from '../../../webview/render/colours';
import type { Drawing, Mark } from '../../../webview/render/drawing';
import { HATCH } from '../../../webview/render/drawing';
import type { RoutingPalette } from '../../../webview/render/routingColours';
import { transferCommand } from '../../../webview/render/transferCommand';
import { curvePicture, curveTip, drawCurve } from '../../../webview/render/transferCurve';
import { droppedGroups, isExplained, isLost, layerMapOfDocument, layerMapOfPlan, siteMatrix, sitePlace, sitesByLayer, siteText } from '../../../webview/render/transferData';
import { heaviestLost, planChecks, planControls, planSentence, planSteps, reportFacts } from '../../../webview/render/transferFinding';
import { drawHeads, headLayout, headParts, headsFound, headsPlanned, headText } from '../../../webview/render/transferHeads';
import { drawLayerMap, fitColour, layerMapLayout, targetTip } from '../../../webview/render/transferLayers';
import { cellTip, drawMatrix, matrixLayout } from '../../../webview/render/transferMatrix';
import { changeText, drawRuns, fitted, runsPicture, runTip, runUnits, shortReason, ticks, tickText } from '../../../webview/render/transferRuns';
import { headsTable, layersTable, plannedSitesTable, runsTable, sitesTable } from '../../../webview/render/transferTables';
import { inventedPlan, inventedTransfer } from '../../e2e/pages/inventedTransfer';

const RAMP = rampOf([[68, 1, 84], [33, 145, 140], [253, 231, 37]]);
const PALETTE: RoutingPalette = { page: [31, 31, 31], ink: [204, 204, 204], hues: [], highContrast: false };
const rects = (drawing: Drawing): Extract<Mark, { kind: 'rect' }>[] => drawing.marks.filter((mark) => mark.kind === 'rect');
const texts = (drawing: Drawing): string[] => drawing.marks.flatMap((mark) => (mark.kind === 'text' ? [mark.text] : []));
const bars = (drawing: Drawing): Extract<Mark, { kind: 'rect' }>[] => rects(drawing).filter(({ height }) => height === 10);
const inside = (drawing: Drawing): boolean => drawing.marks.every((mark) => (mark.kind === 'rect' ? mark.x >= -1 && mark.x + mark.width <= drawing.width + 1 && mark.y + mark.height <= drawing.height + 1 : mark.kind === 'text' ? mark.y <= drawing.height + 1 : true));

const document = inventedTransfer('helps');
const plan = inventedPlan('helps');
const runs = (of: TransferDocument = document) => {
  const picture = runsPicture(of, runUnits(of)[0] ?? 'nats per token');
  if (!picture) throw new Error('nothing was measured');
  return picture;
};

describe('sites', () => {
  it('are taken apart into layer and part', () => {
    expect(sitePlace('blocks.3.attention.q')).toEqual({ layer: 3, part: 'q' });
    expect(sitePlace('blocks.12.ffn.experts.7.up')).toEqual({ layer: 12, part: 'experts.7.up' });
    expect(sitePlace('encoder.blocks.1.ffn.gate')).toEqual({ layer: 1, part: 'encoder gate' });
    expect(sitePlace('blocks.0.crossAttention.k')).toEqual({ layer: 0, part: 'cross k' });
    expect(siteText('embed_tokens')).toBe('embed_tokens');
  });
  it('are summed up by layer with the ranges that the sites have', () => {
    const groups = sitesByLayer(document.sites);
    expect(groups.map(({ layer }) => layer)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    const own = document.sites.filter(({ name }) => sitePlace(name).layer === 2);
    expect(groups[2].coverageIn).toBeCloseTo(own.reduce((sum, site) => sum + site.coverageIn, 0) / 7, 12);
    expect(groups[2].kept).toEqual([16, 16]);
    expect(groups[2].scale).toBeCloseTo(Math.exp(own.reduce((sum, site) => sum + Math.log(site.scaleIn * site.scaleOut), 0) / 7), 12);
  });
});

describe('the layer map', () => {
  const planned = layerMapOfPlan(plan);
  const measured = layerMapOfDocument(document);

  it('says where each source layer goes, and its shares add up to the module', () => {
    expect(planned.source).toHaveLength(12);
    expect(planned.source.filter(isLost).map(({ index }) => index)).toEqual(document.dropped.map(({ name }) => sitePlace(name).layer).filter((layer, i, all) => all.indexOf(layer) === i));
    expect(planned.source.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9);
    expect(measured.source.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9);
    expect(planned.source[0].to).toEqual([0]);
  });
  it('counts a source layer once that two target layers take', () => {
    const twice = layerMapOfPlan({ ...plan, layers: [...plan.layers.slice(0, 7), { to: 7, from: 9, share: plan.layers[6].share, cka: null }], sites: [...plan.sites.slice(0, 49), ...plan.sites.slice(42, 49).map((site) => ({ ...site, name: site.name.replace('blocks.6', 'blocks.7') }))] });
    expect(twice.source[9]).toMatchObject({ to: [6, 7], sites: 7, dropped: 0 });
    expect(twice.source[9].share).toBeCloseTo(planned.source[9].share, 12);
  });
  it('colours by held-out R² and greys what shuffled pairs reach as well', () => {
    const weak = layerMapOfDocument({ ...document, sites: document.sites.map((site) => (sitePlace(site.name).layer === 4 ? { ...site, r2: 0.02, r2Null: 0.03 } : site)) });
    expect(isExplained(weak.target[4])).toBe(false);
    const drawing = drawLayerMap(weak, layerMapLayout(weak, 420), RAMP);
    const links = drawing.marks.filter((mark) => mark.name === 'link');
    expect(links).toHaveLength(8);
    expect(links.find(({ key }) => key === 4)).toMatchObject({ stroke: 'var(--ml-inside)' });
    expect(links.find(({ key }) => key === 3)).toMatchObject({ stroke: fitColour(weak.target[3].r2 ?? 0, RAMP) });
    expect(targetTip(weak.target[4], true)).toContain('no evidence');
    expect(targetTip(weak.target[3], true)).toMatch(/R² 0\.\d+ .*\nshuffled pairs: R² 0\.\d+\nn = 4\s?096 held-out tokens/);
  });
  it('has the null of each row on the axis of its value, as wide as it is', () => {
    const layout = layerMapLayout(measured, 420);
    const bands = rects(drawLayerMap(measured, layout, RAMP)).filter(({ fill }) => fill === 'var(--ml-null)');
    expect(bands).toHaveLength(8);
    bands.forEach((band, i) => expect(band.width).toBeCloseTo(Math.max(2, (measured.target[i].r2Null ?? 0) * layout.axis[1]), 1));
  });
  it('is dashed while provisional, and has no axis before anything was fitted', () => {
    const later = layerMapOfPlan(inventedPlan('plain'));
    expect(later.provisional).toBe(true);
    expect(drawLayerMap(later, layerMapLayout(later, 300), RAMP).marks.filter((mark) => mark.name === 'link').every((mark) => 'dash' in mark && mark.dash === '4 3')).toBe(true);
    expect(texts(drawLayerMap(planned, layerMapLayout(planned, 300), RAMP))).not.toContain('held-out R²');
    expect(texts(drawLayerMap(planned, layerMapLayout(planned, 300), RAMP)).filter((text) => text === 'dropped')).toHaveLength(4);
  });
  it.each([240, 300, 420, 600])('stays in its box at %i px', (width) => {
    for (const map of [planned, measured, layerMapOfDocument(inventedTransfer('large'))]) expect(inside(drawLayerMap(map, layerMapLayout(map, width), RAMP))).toBe(true);
  });
  it('names the heaviest layer when it is the one that stays behind', () => {
    expect(heaviestLost(planned)).toBeNull();
    const share = 0.9;
    expect(heaviestLost(layerMapOfPlan({ ...plan, dropped: plan.dropped.map((part) => (sitePlace(part.name).layer === 7 ? { ...part, share } : part)) }))).toMatchObject({ layer: 7 });
  });
});

describe('the head map', () => {
  const q = headsFound(document.heads, 'q', 10);

  it('shows source heads, grey where shuffled tokens fit as well, nothing where none is taken', () => {
    expect(headParts(document.heads)).toEqual(['q', 'kv']);
    const weak = headsFound(inventedTransfer('none').heads, 'q', 10);
    const drawing = drawHeads(weak, headLayout(weak, 300), RAMP, PALETTE);
    const cells = rects(drawing).filter(({ name }) => name === 'cell');
    expect(cells).toHaveLength(64);
    const under = weak.rows.flatMap(({ pairs }) => (pairs ? pairs.score.filter((score, k) => pairs.from[k] !== null && score <= pairs.nullScore) : [])).length;
    const colours = new Set(Array.from({ length: 256 }, (_, i) => `rgb(${RAMP[i * 3]} ${RAMP[i * 3 + 1]} ${RAMP[i * 3 + 2]})`));
    expect(cells.filter(({ fill }) => fill !== 'transparent' && !colours.has(fill ?? ''))).toHaveLength(under);
    expect(cells.filter(({ fill }) => fill === 'transparent')).toHaveLength(1);
    expect(headText(weak, 2, 3)).toContain('takes no source head');
    expect(headText(q, 0, 0)).toMatch(/takes source head \d+\nfit [\d.]+\nbest assignment on shuffled tokens: [\d.]+/);
  });
  it('is hatched before the run, of the same width', () => {
    const before = headsPlanned(plan);
    expect(before).not.toBeNull();
    if (!before) return;
    expect(rects(drawHeads(before, headLayout(before, 300), RAMP, PALETTE)).filter(({ fill }) => fill === HATCH)).toHaveLength(64);
    expect(headLayout(before, 300).width).toBe(headLayout(q, 300).width);
  });
  it('leaves numbers out of cells that are too narrow', () => {
    const large = headsFound(inventedTransfer('large').heads, 'q', null);
    expect(texts(drawHeads(large, headLayout(large, 300), RAMP, PALETTE)).filter((text) => /^\d+$/.test(text) && Number(text) > 1)).toEqual([]);
    expect(inside(drawHeads(large, headLayout(large, 300), RAMP, PALETTE))).toBe(true);
  });
});

describe('the site matrix', () => {
  const matrix = siteMatrix(plan, layerMapOfPlan(plan));
  it('has a cell for every site: coloured, or crossed with its reason', () => {
    expect(matrix.parts).toEqual(['q', 'k', 'v', 'o', 'gate', 'up', 'down']);
    expect(matrix.rows.flatMap(({ cells }) => cells).filter(({ state }) => state === 'carried')).toHaveLength(56);
    expect(matrix.rows.flatMap(({ cells }) => cells).filter(({ state }) => state === 'dropped')).toHaveLength(28);
    const lost = matrix.rows.findIndex((row) => row.lost);
    expect(cellTip(matrix, lost, 0)).toContain('no layer left: 12 into 8');
    expect(cellTip(matrix, 0, 4)).toMatch(/L0\.gate goes to L0\.gate\n.*\n[\d.]+/);
    for (const width of [300, 640]) expect(inside(drawMatrix(matrix, matrixLayout(matrix, width), RAMP))).toBe(true);
  });
  it('groups what is dropped by layer and reason, largest first', () => {
    const groups = droppedGroups(plan.dropped, plan.sites);
    expect(groups).toHaveLength(4);
    expect(groups[0].name).toMatch(/^L\d+, all 7$/);
    expect([...groups].sort((a, b) => b.share - a.share)).toEqual(groups);
    const some = droppedGroups([{ name: 'blocks.0.attention.q', reason: 'no such map', share: 0.1 }, { name: 'blocks.0.attention.k', reason: 'no such map', share: 0.1 }, { name: 'embed_tokens', reason: 'not a linear map', share: 0.2 }], plan.sites);
    expect(some.map(({ name }) => name).sort()).toEqual(['L0: q, k', 'embed_tokens']);
  });
});

describe('the bars of the runs', () => {
  it('put the module in blue and everything else in grey, on one scale with their intervals', () => {
    const picture = runs();
    expect(picture.rows.map(({ key }) => key)).toEqual(['base', 'transferred', 'moment-matched random', 'norm-matched random', 'shuffled pairs', 'naive copy', 'source module']);
    expect(picture.told).toBe(true);
    expect(picture.band).toEqual([-0.004, 0.021]);
    const drawing = drawRuns(picture, 700, false);
    const drawn = bars(drawing);
    expect(drawn.map(({ fill }) => fill)).toEqual(['var(--ml-cat-1)', ...Array<string>(4).fill('var(--ml-excess)')]);
    const scale = drawn[0].width / 0.142;
    [0.142, 0.003, 0.011, 0.006, 0.245].forEach((value, i) => expect(drawn[i].width).toBeCloseTo(Math.max(1, value * scale), 0));
    expect(texts(drawing)).toContain('not possible: widths 320 and 256 differ');
    expect(inside(drawing)).toBe(true);
    expect(inside(drawRuns(picture, 380, true))).toBe(true);
  });
  it('leave the bar hollow where it is not told from chance', () => {
    const picture = runs(inventedTransfer('none'));
    expect(picture.told).toBe(false);
    expect(bars(drawRuns(picture, 700, false))[0]).toMatchObject({ fill: 'var(--ml-page)', stroke: 'var(--ml-cat-1)' });
    expect(runTip(picture.rows[1], picture)).toContain('no evidence');
  });
  it('are told when they hurt, too', () => {
    expect(runs(inventedTransfer('hurts')).told).toBe(true);
  });
  it('are drawn from the losses where no interval was computed, and say so', () => {
    if (!document.proof) throw new Error('no proof');
    const bare = runs({ ...document, proof: { ...document.proof, differences: document.proof.differences.slice(0, 1) } });
    expect(bare.rows[2].change).toMatchObject({ low: null, high: null });
    expect(bare.rows[2].change?.value).toBeCloseTo(0.003, 9);
    expect(bare.told).toBe(true);
    expect(runTip(bare.rows[2], bare)).toContain('no interval was computed');
  });
  it('merge the draws of one control', () => {
    const run = document.controls[0];
    const many = runs({ ...document, controls: [run, { ...run, name: 'moment-matched random 2', lossPerToken: run.lossPerToken + 0.02 }] });
    expect(many.rows[2]).toMatchObject({ key: 'moment-matched random', draws: 2 });
    expect(many.rows[2].change?.value).toBeCloseTo(0.013, 9);
  });
  it('turn round for accuracy, where more is better', () => {
    const labelled = inventedTransfer('labels');
    expect(runUnits(labelled)).toEqual(['accuracy', 'nats per token']);
    const picture = runsPicture(labelled, 'accuracy');
    if (!picture) throw new Error('nothing was measured');
    expect(picture.rows[1].change).toMatchObject({ value: 0.112 });
    expect(texts(drawRuns(picture, 700, false))).toEqual(expect.arrayContaining(['← hurts', 'helps →', 'accuracy']));
  });
  it('give an impossible run its reason alone', () => {
    expect(shortReason('widths 320 and 256 differ')).toBe('widths 320 and 256 differ');
    expect(shortReason('Nothing of /m/lora can be carried to b: its map is 160 to 160 on the source and 96 to 96 on the target. Choose another method.')).toBe('its map is 160 to 160 on the source and 96 to 96 on the target');
  });
  it('do not exist without data', () => {
    expect(runsPicture(inventedTransfer('nodata'), 'nats per token')).toBeNull();
  });
  it('have round ticks with zero among them', () => {
    expect(ticks(-0.26, 0.03, 4)).toEqual([-0.2, -0.1, 0]);
    expect(ticks(-0.0042, 0.0011, 4).map((value, _i, all) => tickText(value, all))).toEqual(['−0.004', '−0.002', '0']);
    expect(changeText({ value: -0.1421, low: -0.171, high: -0.1136 })).toBe('−0.142 [−0.171, −0.114]');
    expect(fitted('with a-very-long-module-name, α = 0.75', 140)).toMatch(/^with a.*…, α = 0\.75$/);
  });
});

describe('the strength curve', () => {
  it('shows the half that chose, and the other half at the chosen strength', () => {
    const curve = curvePicture(document, runs());
    if (!curve) throw new Error('no curve');
    expect(curve.points.map(({ value }) => Number(value.toFixed(3)))).toEqual([0, -0.071, -0.121, -0.139, -0.131, -0.058, 0.094]);
    expect(curve.reported).toMatchObject({ value: -0.142, low: -0.171, high: -0.114 });
    expect(curveTip(curve, 3)).toMatch(/strength 0\.75\nchange −0\.139 .*n = 412 texts\nchosen; on the other half −0\.142 \[−0\.171, −0\.114\], n = 412 texts/);
    const drawing = drawCurve(curve, 420);
    expect(drawing.marks.filter((mark) => mark.name === 'point')).toHaveLength(7);
    expect(inside(drawing)).toBe(true);
  });
  it('is of levels where strength zero was not tried', () => {
    if (!document.proof) throw new Error('no proof');
    const curve = curvePicture({ ...document, proof: { ...document.proof, curve: document.proof.curve.slice(1) } }, runs());
    expect(curve).toMatchObject({ relative: false, reported: null, band: null });
  });
});

describe('words', () => {
  it('say what the plan does in one sentence of its own numbers', () => {
    expect(planSentence(plan)).toMatch(/^Plan: manual-lora moves from invented-12l to invented-8l at 56 of 84 sites\. 28 sites on 4 layers have no place: 30\.\d\u202f% of the module’s norm\.$/);
    expect(planSentence({ ...plan, dropped: [], module: { ...plan.module, sites: 56 } })).toBe('Plan: manual-lora moves from invented-12l to invented-8l at all 56 sites.');
  });
  it('say before the run what it compares with, and that without data there is no verdict', () => {
    expect(planControls(plan).find(({ name }) => name === 'copy')?.value).toBe('not possible: widths 320 and 256 differ');
    const without = inventedPlan('nodata');
    expect(planControls(without)).toEqual([]);
    expect(planSteps(without).at(-1)).toContain('no verdict');
    expect(planChecks(without).find(({ name }) => name === 'data')).toMatchObject({ warn: true });
    expect(planChecks({ ...plan, module: { ...plan.module, base: 'org/other' } }).find(({ name }) => name === 'base')).toMatchObject({ warn: true });
    expect(planChecks(inventedPlan('plain')).find(({ name }) => name === 'data')).toMatchObject({ warn: true });
  });
  it('give every R² beside that of shuffled pairs, and the verdict with n', () => {
    const facts = reportFacts(document);
    expect(facts.map(({ name }) => name)).toEqual(['verdict', 'n', 'recovered lift', 'interval', 'unrelated texts', 'method', 'sites', 'maps', 'shuffled pairs']);
    expect(facts.find(({ name }) => name === 'recovered lift')?.value).toBe('0.58 [0.46, 0.69]');
    expect(reportFacts(inventedTransfer('nodata')).slice(0, 2)).toMatchObject([{ value: 'no verdict' }, { value: '0 texts' }]);
    expect(reportFacts(inventedTransfer('hurts')).find(({ name }) => name === 'recovered lift')).toMatchObject({ value: 'undefined', tip: 'the source module has no measurable effect' });
  });
  it('make a command line that a shell takes', () => {
    expect(transferCommand({ module: '/m/lora', from: "/m/it's", to: '/m/b c', method: 'copy', data: '/d.jsonl', seed: 3 }, '/out dir')).toBe("modulens transfer --module /m/lora --from '/m/it'\\''s' --to '/m/b c' --method copy --data /d.jsonl --seed 3 --out '/out dir'");
  });
});

describe('the tables behind the pictures', () => {
  it('hold the numbers of the document, each R² with its null and its tokens', () => {
    const sites = sitesTable(document);
    expect(sites.rows).toHaveLength(56);
    const at = sites.columns.indexOf('R²');
    expect(sites.columns.slice(at, at + 4)).toEqual(['R²', 'R², shuffled pairs', 'Tokens', 'Held-out tokens']);
    expect(sites.rows[5].slice(at, at + 4)).toEqual([document.sites[5].r2, document.sites[5].r2Null, 16384, 4096]);
    expect(headsTable(document.heads).rows).toHaveLength(128);
    expect(layersTable(layerMapOfDocument(document)).columns).toEqual(['Target layer', 'Takes source layer', 'Sites', 'R²', 'R², shuffled pairs', 'Held-out tokens', 'CKA']);
    expect(plannedSitesTable(plan).rows.slice(0, 28).every(([name]) => name === 'dropped')).toBe(true);
    const table = runsTable(runs());
    expect(table.rows[1].slice(2, 7)).toEqual([document.runs[1].lossPerToken, -0.142, -0.171, -0.114, 412]);
    for (const one of [sites, table, headsTable(document.heads), plannedSitesTable(plan)]) expect(new Set(one.rows.map((row) => row.length))).toEqual(new Set([one.columns.length]));
  });
});
