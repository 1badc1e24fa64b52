import { describe, expect, it } from 'vitest';
import { NEAR_TIE } from '../../../extension/protocol/routing';
import { rampOf } from '../../../webview/render/colours';
import type { Mark } from '../../../webview/render/drawing';
import { moved } from '../../../webview/render/drawing';
import type { RoutingPalette } from '../../../webview/render/routingColours';
import { css, inkOn, tint, tintTable, TINT_STEPS } from '../../../webview/render/routingColours';
import { coverageCurve, drawCoverage, untouched } from '../../../webview/render/routingCoverage';
import { letterOf } from '../../../extension/protocol/routingNames';
import { expertAxis, expertOrders } from '../../../webview/render/routingExperts';
import { routingFacts, routingFinding } from '../../../webview/render/routingFinding';
import { drawFlow, flowPicture, neighbours } from '../../../webview/render/routingFlow';
import { drawLabels, labelAt, labelCells, labelsLayouts, labelsDomain, plottedColumns } from '../../../webview/render/routingLabels';
import type { OverviewInput } from '../../../webview/render/routingOverview';
import type { OverviewCell } from '../../../webview/render/routingOverview';
import { drawOverview, isInside, overviewAt, overviewLayout, rowHeight } from '../../../webview/render/routingOverview';
import { drawPairs, pairAt, pairCells, pairsLayout, pairsOf } from '../../../webview/render/routingPairs';
import { pairNull } from '../../../webview/render/routingNull';
import { denseLayout, denseTokenAt, denseX, drawStrip, lineTokenAt, paintDenseRow, shownToken, stripLayout, stripRowAt, wrapTokens } from '../../../webview/render/routingRaster';
import { chanceOf, fixedLimit, niceLimit, SEMANTICS, usualMeasure } from '../../../webview/render/routingScale';
import { drawBars, missingMass, sliceBars } from '../../../webview/render/routingSlice';
import { overviewTable, rasterTable } from '../../../webview/render/routingTables';
import { countedTokens, siteBytes, siteRows, sitesOf, siteStats, weightOf } from '../../../webview/render/routingTrace';
import { inventedTrace } from '../../e2e/pages/inventedRouting';

const PALETTE: RoutingPalette = { page: [31, 31, 31], ink: [204, 204, 204], hues: [[34, 131, 196], [230, 159, 0], [0, 158, 115], [204, 121, 167], [86, 180, 233], [213, 94, 0], [240, 228, 66], [153, 153, 153]], highContrast: false };
const COLOURS = { sequential: rampOf([[68, 1, 84], [253, 231, 37]]), diverging: rampOf([[0, 0, 255], [31, 31, 31], [255, 0, 0]]) };
const layers = inventedTrace({ kind: 'layers', labels: true });
const adapters = inventedTrace({ kind: 'sites', labels: true });
const large = inventedTrace({ kind: 'large', labels: true });

function parts(trace: typeof layers) {
  const { head } = trace.result;
  const rows = siteRows(head.sites);
  const numbers = sitesOf(trace.slice(0, head.sites.length), head);
  const counted = countedTokens(head, { kind: 'all' });
  return { head, rows, numbers, counted, stats: numbers.map((one) => siteStats(one, counted)), axis: expertAxis(head, trace.summary, expertOrders(head, trace.summary)[0]?.[0] ?? 'id') };
}

function overviewOf(trace: typeof layers): OverviewInput {
  const { head, rows, stats, axis, counted } = parts(trace);
  const cells = stats.map((stat, s) => axis.columns.map((_, c) => ({ value: stat.mean[axis.expertAt(s, c)] ?? 0, half: stat.meanHalf[axis.expertAt(s, c)] ?? null, chance: 1 / head.sites[s].E })));
  return {
    rows, axis, cells, limit: 0.5, limitText: '0.5', signed: false, measureWords: 'mean weight', chanceWords: 'even', n: counted.tokens.length, load: axis.columns.map(() => ({ value: 0.2, half: 0.01, chance: 1 / axis.columns.length })),
    first: { title: 'entropy', end: 'ln 8', limit: Math.log(8), values: stats.map((stat) => ({ kind: 'plain', value: stat.entropy, even: Math.log(8) })) },
    second: { title: 'kinds apart', end: '0.4', limit: 0.4, values: trace.summary.sites.map((site) => (site.divergence ? { kind: 'score', score: site.divergence } : { kind: 'none' })) },
  };
}

describe('a slice', () => {
  it('taken apart gives the same numbers whatever its width', () => {
    const { head } = adapters.result;
    const whole = sitesOf(adapters.slice(0, 28), head);
    const some = sitesOf(adapters.slice(9, 12), head);
    expect(some.map((one) => one.site)).toEqual([9, 10, 11]);
    expect(some[1]).toEqual(whole[10]);
    expect(siteBytes(head)).toBe(head.tokens.length * (6 * 10 + 16));
    const token = 41;
    const weights = Array.from({ length: 6 }, (_, e) => weightOf(whole[10], token, e));
    expect(weights.filter((w) => w > 0)).toHaveLength(3);
    expect(weights.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
  });
  it('of a site with fewer experts than slots has no experts that are not there', () => {
    const { head } = layers.result;
    const small = { ...head, sites: head.sites.map((site, s) => (s === 0 ? { ...site, E: 4 } : site)) };
    expect(sitesOf(layers.slice(0, 2), small).map((one) => one.slots)).toEqual([4, 8]);
  });
  it('counts only tokens of the filter that have a place in the text', () => {
    const { head } = layers.result;
    const special = { ...head, tokens: head.tokens.map((token, t) => (t === 0 ? { ...token, start: null, end: null, special: true } : token)) };
    expect(countedTokens(special, { kind: 'all' }).tokens[0]).toBe(1);
    const code = countedTokens(head, { kind: 'label', label: 'code' });
    expect([...code.tokens].every((t) => head.records[head.tokens[t].record].label === 'code')).toBe(true);
    expect(code.spans).toEqual([[0, code.tokens.length]]);
    expect(countedTokens(head, { kind: 'record', record: 2 }).tokens.length).toBe(head.records[2].to - head.records[2].from);
  });
});

describe('experts', () => {
  it('have letters, hues that stay when the order changes, and "other" after the seventh', () => {
    expect([0, 25, 26, 27, 52].map(letterOf)).toEqual(['A', 'Z', 'AA', 'AB', 'BA']);
    const { head, axis } = parts(adapters);
    const byLoad = expertAxis(head, adapters.summary, 'load');
    expect(axis.columns.map((c) => c.name)).toEqual(['code', 'prose', 'manual', 'french', 'json', 'chat']);
    for (const style of byLoad.columns) expect(axis.columns.find((one) => one.name === style.name)).toEqual(style);
    const many = expertAxis(large.result.head, large.summary, 'id');
    expect(many.columns.filter((c) => c.hue === 8)).toHaveLength(249);
    expect(many.columns[17].mark).toBe('17');
    for (let e = 0; e < 256; e++) expect(many.expertAt(3, many.columnOf(3, e))).toBe(e);
  });
  it('follow matched letters', () => {
    const letters = layers.result.head.sites.map((_, s) => Array.from({ length: 8 }, (__, e) => (e + s) % 8));
    const axis = expertAxis(layers.result.head, { ...layers.summary, letters }, 'match');
    expect(axis.columnOf(3, 0)).toBe(3);
    expect(axis.expertAt(3, 3)).toBe(0);
    expect(axis.columns[axis.columnOf(3, 0)].mark).toBe('D');
  });
});

describe('scales of the six semantics', () => {
  it('have their own line of no preference, sign and mask', () => {
    expect(SEMANTICS.sigmoid.chance(9)).toBe(0.5);
    expect(SEMANTICS.signed.signed).toBe(true);
    expect(Object.entries(SEMANTICS).filter(([, rule]) => rule.masks).map(([name]) => name)).toEqual(['truncated', 'sub-simplex', 'binary']);
    expect(usualMeasure(layers.result.head)).toBe('mean');
    expect(usualMeasure(adapters.result.head)).toBe('share');
    expect(chanceOf(adapters.result.head.sites[0], 'share')).toBeCloseTo(1 / 6, 12);
    expect([0.124, 0.31, 0.81, 1, 3, 0].map(niceLimit)).toEqual([0.15, 0.4, 1, 1, 5, 0.01]);
    expect(fixedLimit(layers.result.head, layers.summary, 'mean')).toBeGreaterThanOrEqual(0.25);
  });
  it('draw no bar for a weight that was set to zero, hollow bars for the next in line, signed bars from the middle', () => {
    const { numbers, head, axis } = parts(adapters);
    const bars = sliceBars(numbers[18], head.sites[18], 57, axis, 6);
    expect(bars).toHaveLength(3);
    expect(bars.every((bar) => bar.chosen && bar.weight > 0)).toBe(true);
    const soft = parts(layers);
    const four = sliceBars(soft.numbers[7], soft.head.sites[7], 57, soft.axis, 4);
    const drawn = drawBars(four, soft.head.sites[7], soft.axis, 1, 100, null).marks.filter((mark) => mark.kind === 'rect');
    expect(drawn.map((mark) => mark.fill === 'none')).toEqual([false, false, true, true]);
    const signed = inventedTrace({ kind: 'layers', labels: true, semantics: 'signed' });
    const site = sitesOf(signed.slice(7, 8), signed.result.head)[0];
    const all = sliceBars(site, signed.result.head.sites[7], 57, soft.axis, 8);
    const rects = drawBars(all, signed.result.head.sites[7], soft.axis, 2, 100, null).marks.filter((mark) => mark.kind === 'rect');
    all.forEach((bar, i) => expect((rects[i]?.x ?? 0) < 49.4, `${bar.weight}`).toBe(bar.weight * 25 < -0.6));
    const sub = inventedTrace({ kind: 'sites', labels: true, semantics: 'sub-simplex' });
    const part = sitesOf(sub.slice(0, 1), sub.result.head)[0];
    expect(missingMass(part, 10)).toBeGreaterThan(0.05);
    expect(missingMass(numbers[0], 10)).toBeCloseTo(0, 5);
  });
});

describe('the overview', () => {
  it('draws what its table says, grey where even cannot be excluded', () => {
    const input = overviewOf(layers);
    const layout = overviewLayout(input.rows, 8, 384);
    const { marks, width } = drawOverview(input, layout, PALETTE, COLOURS);
    expect(width).toBeLessThanOrEqual(384);
    const table = overviewTable(input, layers.result.head);
    const cells = marks.filter((mark): mark is Extract<Mark, { kind: 'rect' }> => mark.kind === 'rect' && mark.key !== undefined);
    expect(cells).toHaveLength(96);
    let grey = 0;
    for (const mark of cells) {
      const [s, c] = [Math.floor((mark.key ?? 0) / 8), (mark.key ?? 0) % 8];
      const cell = input.cells[s][c] as OverviewCell;
      expect(table.rows[s][1 + c]).toBe(cell.value);
      expect([mark.x, mark.y]).toEqual([layout.left + c * layout.cell, layout.y[s]]);
      const [r, g, b] = (mark.fill ?? '').match(/\d+/g) ?? [];
      const isGrey = r === g && g === b;
      expect(isGrey).toBe(isInside(cell));
      if (isGrey) grey++;
      expect((table.rows[s][9] as string).split(' ').includes('ABCDEFGH'[c])).toBe(!isInside(cell));
      expect(overviewAt(layout, mark.x + 3, mark.y + 3)).toEqual({ site: s, column: c });
    }
    expect(grey).toBeGreaterThan(5);
    expect(grey).toBeLessThan(91);
  });
  it('has 24 px rows, 14 px grouped by block above 12 sites, and fits any width', () => {
    expect([12, 13, 224].map(rowHeight)).toEqual([24, 14, 6]);
    const rows = siteRows(adapters.result.head.sites);
    const layout = overviewLayout(rows, 6, 384);
    expect([layout.y[7] - layout.y[6], layout.y[1] - layout.y[0]]).toEqual([22, 14]);
    expect(rows[18]).toMatchObject({ name: 'gate', full: '2.gate', words: 'block 2 gate' });
    const many = siteRows(large.result.head.sites);
    for (const width of [296, 384, 1360]) expect(overviewLayout(many, 256, width).width).toBeLessThanOrEqual(width + 1);
  });
});

describe('the raster', () => {
  const { head, numbers, axis, rows } = parts(layers);
  const measure = (text: string): number => text.length * 7.25;
  it('wraps like text: every token once, no line wider than the page, cells of 15 px or more', () => {
    for (const width of [180, 400, 900]) {
      const lines = wrapTokens(head, 1, width, measure);
      expect(lines.flatMap((line) => line.tokens)).toEqual(Array.from({ length: head.records[1].to - head.records[1].from }, (_, i) => head.records[1].from + i));
      for (const line of lines) {
        expect(line.x[line.x.length - 1]).toBeLessThanOrEqual(width);
        line.tokens.forEach((_, i) => {
          expect((line.x[i + 1] ?? 0) - (line.x[i] ?? 0)).toBeGreaterThanOrEqual(15);
          expect(lineTokenAt(line, (line.x[i] ?? 0) + 1)).toBe(i);
        });
        expect(lineTokenAt(line, -1)).toBe(-1);
      }
    }
    expect(shownToken({ ...head.tokens[0], text: '\n' })).toBe('\u23ce');
    expect(shownToken({ ...head.tokens[0], text: '    ' })).toBe('\u00b7\u00b7\u00b7\u00b7');
  });
  it('draws the letter of the table where the expert changes, its hue by margin, and dashes at near ties', () => {
    const line = wrapTokens(head, 1, 900, measure)[0];
    const layout = stripLayout(rows);
    const { marks } = drawStrip(line, layout, numbers, axis, PALETTE, 0.45);
    const table = rasterTable(head, line.tokens, rows, rows.map((_, s) => s), (s) => numbers[s], axis);
    const filled = marks.filter((mark) => mark.kind === 'rect' && mark.fill !== 'none' && mark.width > 1);
    expect(filled).toHaveLength(line.tokens.length * 12);
    let letters = 0;
    let dashes = 0;
    rows.forEach((_, s) => line.tokens.forEach((t, i) => {
      const [mark, ...rest] = (table.rows[i][3 + s] as string).split(' ');
      const margin = numbers[s].margins[t];
      const hue = axis.columns.find((style) => style.mark === mark)?.hue ?? 0;
      const cell = filled.find((one) => one.kind === 'rect' && one.x === line.x[i] && one.y === layout.y[s]);
      expect(cell?.kind === 'rect' && cell.fill).toBe(css(tint(PALETTE, hue, margin)));
      expect(rest[0] === '\u2248').toBe(margin < NEAR_TIE);
      if (margin < NEAR_TIE) dashes++;
      if (i === 0 || numbers[s].tops[t] !== numbers[s].tops[line.tokens[i - 1]]) letters++;
      expect(stripRowAt(layout, layout.y[s] + 7)).toBe(s);
    }));
    expect(marks.filter((mark) => mark.kind === 'text')).toHaveLength(letters);
    expect(marks.filter((mark) => mark.kind === 'rect' && mark.dash)).toHaveLength(dashes);
    expect(dashes).toBeGreaterThan(0);
    const waiting = drawStrip(line, layout, numbers.map(() => null), axis, PALETTE, 0.45).marks;
    expect(waiting).toHaveLength(12);
    const upper = drawStrip(line, layout, numbers, axis, PALETTE, 0.45, 0, 14).marks;
    expect(upper.every((mark) => 'y' in mark && mark.y < 14)).toBe(true);
  });
  it('packs the whole trace into a strip that finds its tokens again', () => {
    for (const [trace, width] of [[layers, 620], [layers, 120], [large, 300]] as const) {
      const { head: own } = trace.result;
      const layout = denseLayout(own, own.sites.length, width);
      expect(layout.columns).toBeLessThanOrEqual(2048);
      expect(denseX(layout, own, own.tokens.length - 1)).toBeLessThan(width);
      for (let t = 0; t < own.tokens.length; t += 7) {
        const found = denseTokenAt(layout, own, denseX(layout, own, t) + layout.cell / 2);
        expect(found).toBeLessThanOrEqual(t);
        expect(t - found).toBeLessThan(layout.step);
      }
    }
    const layout = denseLayout(head, 12, 620);
    expect(layout.step).toBe(1);
    const rgba = new Uint8ClampedArray(layout.columns * 12 * 4);
    const table = tintTable(PALETTE);
    expect(table).toHaveLength(8 * TINT_STEPS * 3);
    paintDenseRow(rgba, numbers[7], head, layout, axis, table, 0.45);
    const at = (7 * layout.columns + 57) * 4;
    const want = tint(PALETTE, axis.columns[axis.columnOf(7, numbers[7].tops[57])].hue, numbers[7].margins[57]);
    want.forEach((value, c) => expect(Math.abs(rgba[at + c] - value)).toBeLessThan(6));
    expect(rgba[0 + 3]).toBe(0);
  });
  it('puts black or white on a hue, whichever is read better', () => {
    expect([inkOn([240, 228, 66]), inkOn([0, 0, 90])]).toEqual(['#000000', '#ffffff']);
  });
});

describe('kinds of text, flow, pairs, coverage', () => {
  const { head, rows, numbers, counted, stats, axis } = parts(layers);
  it('draws every interval, grey where it meets the null', () => {
    const cells = labelCells(layers.summary.sites[7], 7, 8, 5, axis);
    expect(cells).toHaveLength(40);
    expect(plottedColumns(cells, 8)).toHaveLength(8);
    for (const width of [300, 700, 1000]) {
      const layouts = labelsLayouts(layers.summary.labels, plottedColumns(cells, 8), width);
      expect(layouts.flatMap((layout) => layout.columns)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
      for (const layout of layouts) expect(layout.width).toBeLessThanOrEqual(width);
      const circles = layouts.flatMap((layout) => drawLabels(cells, layers.summary.labels, layers.summary.tokensPerLabel, axis, layout, labelsDomain(cells), PALETTE).marks.filter((mark) => mark.kind === 'circle'));
      expect(circles).toHaveLength(40);
      expect(circles.filter((mark) => mark.kind === 'circle' && mark.fill === 'var(--ml-inside)')).toHaveLength(cells.filter((cell) => !cell.told).length);
      expect(labelAt(layouts[0], layouts[0].names + 2, layouts[0].top + 2)).toEqual({ label: 0, column: 0 });
    }
    const many = Array.from({ length: 60 }, (_, column) => ({ label: 0, expert: column, column, value: 0.1, low: column === 40 ? 0.5 : 0.05, high: 0.6, nullLow: 0, nullHigh: 0.1, told: false }));
    expect(plottedColumns(many, 60)).toHaveLength(24);
    expect(plottedColumns(many, 60)).toContain(40);
  });
  it('flows keep every token, colour at most eight above independence, and gather the rest of many experts', () => {
    expect(neighbours(0, 12)).toEqual([0, 1, 2]);
    expect(neighbours(11, 12)).toEqual([9, 10, 11]);
    expect(neighbours(1, 2)).toEqual([0, 1]);
    const picture = flowPicture([numbers[6], numbers[7], numbers[8]], counted, axis);
    for (const step of picture.steps) {
      expect(step.all.reduce((sum, flow) => sum + flow.count, 0)).toBe(counted.tokens.length);
      expect(step.strong.size).toBeLessThanOrEqual(8);
      for (const flow of step.strong) expect(flow.count).toBeGreaterThan(flow.expected);
    }
    const { marks } = drawFlow(picture, rows, axis, 300, 7, 57, PALETTE);
    expect(marks.filter((mark) => mark.kind === 'path' && mark.stroke === 'var(--ml-ink)')).toHaveLength(2);
    const shifted = moved(marks, 10, 20).find((mark) => mark.kind === 'path');
    const before = marks.find((mark) => mark.kind === 'path');
    expect(shifted?.kind === 'path' && shifted.d.match(/[\d.]+/g)?.slice(0, 2).map(Number)).toEqual(before?.kind === 'path' ? before.d.match(/[\d.]+/g)?.slice(0, 2).map((v, i) => Number(v) + (i === 0 ? 10 : 20)) : null);
    const { numbers: three, counted: all, axis: columns } = parts(large);
    const gathered = flowPicture(three.slice(0, 3), all, columns);
    expect(gathered).toMatchObject({ other: true });
    expect(gathered.lanes).toHaveLength(7);
    expect(gathered.loads[1].reduce((a, b) => a + b, 0)).toBe(all.tokens.length);
  });
  it('pairs leave the diagonal out and find their cells again', () => {
    const pairs = pairsOf(numbers[7], counted);
    const cells = pairCells(pairs, pairNull(pairs, 2, 0), 7, axis);
    expect(cells).toHaveLength(56);
    const layout = pairsLayout(8, 300);
    const drawn = drawPairs(cells, axis, layout, PALETTE, COLOURS).marks.filter((mark) => mark.kind === 'rect' && mark.key !== undefined);
    expect(drawn).toHaveLength(56);
    for (const mark of drawn) if (mark.kind === 'rect') expect(pairAt(layout, mark.x + 1, mark.y + 1)).toEqual({ row: Math.floor((mark.key ?? 0) / 8), column: (mark.key ?? 0) % 8 });
  });
  it('coverage grows from nothing to all, above even use, and counts untouched tokens', () => {
    const curve = coverageCurve(stats, numbers.map((one) => one.site), axis);
    expect([curve.mean[0], curve.mean[8]]).toEqual([0, expect.closeTo(1, 6)]);
    curve.mean.forEach((value, m) => expect(value).toBeGreaterThanOrEqual(m / 8 - 1e-9));
    curve.least.forEach((entry, m) => expect(entry.value).toBeLessThanOrEqual((curve.mean[m] ?? 0) + 1e-9));
    expect(untouched(numbers[7], counted, new Set(curve.order), axis)).toBe(1);
    expect(untouched(numbers[7], counted, new Set(), axis)).toBe(0);
    expect(drawCoverage(curve, 4, 300, 132).marks.length).toBeGreaterThan(8);
  });
  it('says in one sentence what the pictures show, with its null', () => {
    const input = { state: 'done', source: 'a.txt', stale: false, head, rows, filter: { kind: 'all' }, divergence: layers.summary.sites.map((site) => site.divergence), switches: layers.summary.sites.map((site) => site.switchRate) } as const;
    const told = layers.summary.sites.filter((site) => (site.divergence?.p ?? 1) < 0.05).length;
    expect(routingFinding(input).text).toMatch(new RegExp(`^Routing tells kinds of text apart at ${told} of 12 layers, most at L7: [\\d.]+ \\[[\\d.]+, [\\d.]+\\] nats, against [\\d.]+ with shuffled labels\\.$`));
    expect(routingFinding({ ...input, stale: true }).text).toMatch(/^Before the last edit: routing tells/);
    const flat = input.divergence.map((score) => (score ? { ...score, p: 0.5 } : null));
    expect(routingFinding({ ...input, divergence: flat }).text).toMatch(/^No evidence that routing tells kinds of text apart at any of 12 layers/);
    expect(routingFinding({ ...input, divergence: null }).text).toMatch(/^Neighbouring tokens keep their expert more than chance at \d+ of 12 layers, most at L\d+: [\d.]+ of neighbours differ, against [\d.]+ in random order\.$/);
    expect(routingFinding({ ...input, divergence: null, switches: input.switches.map((score) => ({ ...score, p: 0.4 })) }).text).toMatch(/^No evidence that routing follows the text/);
    expect(routingFinding({ ...input, divergence: null, switches: [null] }).text).toContain('\u2026');
    expect(routingFinding({ ...input, head: null, state: 'running' }).text).toBe('Routing a.txt\u2026');
    expect(routingFinding({ ...input, head: null, state: 'failed' }).text).toBe('a.txt could not be routed.');
    const facts = routingFacts(adapters.result, adapters.summary, 'sample', siteRows(adapters.result.head.sites)).map((fact) => fact.pieces.join('')).join(' | ');
    for (const part of ['sample, 6 adapters', 'router arrow k = 3 of 6, T = 1', '228 tokens, 5 texts', '28 sites in 4 blocks', 'outputs are mixed', 'adapters active: exact', 'CPU, 0.61 s']) expect(facts).toContain(part);
  });
});
