import { describe, expect, it } from 'vitest';
import type { RoutingSlice } from '../../../extension/protocol/routing';
import { BEFORE, carriedNumbers, carryOf, NO_EXPERT, NONE, NOW, sameSites } from '../../../webview/render/routingCarry';
import { drawStrip, fadedTint, stripLayout, wrapTokens } from '../../../webview/render/routingRaster';
import { css, tint } from '../../../webview/render/routingColours';
import type { RoutingPalette } from '../../../webview/render/routingColours';
import { expertAxis } from '../../../webview/render/routingExperts';
import { siteRows, sitesOf } from '../../../webview/render/routingTrace';
import type { OpenTrace } from '../../../webview/routing/slices';
import { SliceLoader } from '../../../webview/routing/slices';
import type { Bridge } from '../../../webview/ui/bridge';
import { inventedEdit, inventedTrace } from '../../e2e/pages/inventedRouting';

const PALETTE: RoutingPalette = { page: [31, 31, 31], ink: [204, 204, 204], hues: [[34, 131, 196], [230, 159, 0], [0, 158, 115], [204, 121, 167], [86, 180, 233], [213, 94, 0], [240, 228, 66], [153, 153, 153]], highContrast: false };
const old = inventedTrace({ kind: 'layers', labels: true });
const next = inventedEdit(old);
const [was, is] = [old.result.head, next.result.head];
const at = is.tokens.findIndex((token) => token.id === 9001);
const end = is.records[1].to;

describe('tokens of a trace that takes the place of another', () => {
  it('keep the numbers before the edit and of other texts; what stands behind it is from before', () => {
    const carry = carryOf(was, is, 0);
    expect(carry?.exact).toBe(0);
    expect([...carry?.from ?? []].slice(0, at)).toEqual(Array.from({ length: at }, (_, t) => t));
    expect([...carry?.state.slice(0, at) ?? []].every((state) => state === NOW)).toBe(true);
    // One word became two: the first stands where the old one stood, the second is new.
    expect([carry?.state[at], carry?.state[at + 1], carry?.from[at]]).toEqual([BEFORE, NONE, at]);
    expect([...carry?.state.slice(at + 2, end) ?? []].every((state) => state === BEFORE)).toBe(true);
    expect([...carry?.from.slice(at + 2, end) ?? []]).toEqual(Array.from({ length: end - at - 2 }, (_, i) => at + 1 + i));
    expect([...carry?.state.slice(end) ?? []].every((state) => state === NOW)).toBe(true);
  });
  it('are all from before where the model looks ahead or another rule decided', () => {
    const ahead = carryOf({ ...was, causal: false }, { ...is, causal: false }, 0);
    expect(ahead?.state[at - 1]).toBe(BEFORE);
    expect(ahead?.state[0]).toBe(NOW);
    const warm = { ...is, sites: is.sites.map((site) => ({ ...site, temperature: 2 })) };
    expect([...carryOf(was, warm, 0)?.state ?? []].every((state) => state !== NOW)).toBe(true);
    const muted = { ...is, whatIf: { mute: [{ expert: 'A' }], says: 'A is muted' } };
    expect([...carryOf(was, muted, 0)?.state ?? []].every((state) => state !== NOW)).toBe(true);
  });
  it('do not go on where experts or sites are others', () => {
    expect(sameSites(was, { ...is, sites: is.sites.slice(1) })).toBe(false);
    expect(carryOf(was, { ...is, sites: is.sites.map((site) => ({ ...site, E: 4 })) }, 0)).toBeNull();
    expect(carryOf(was, { ...is, router: 'similarity' }, 0)).toBeNull();
  });
  it('follow texts that moved', () => {
    const first = is.records[0].to;
    const cut = { ...is, tokens: is.tokens.slice(first).map((token) => ({ ...token, record: token.record - 1 })), records: is.records.slice(1).map((record) => ({ ...record, from: record.from - first, to: record.to - first })) };
    const carry = carryOf(is, cut, 40);
    expect([...carry?.from ?? []]).toEqual(Array.from({ length: cut.tokens.length }, (_, t) => t + first));
    expect(carry?.exact).toBe(0);
  });
  it('carry their numbers, and none where they have none', () => {
    const carry = carryOf(was, is, 0);
    const numbers = sitesOf(old.slice(3, 4), was)[0];
    if (!carry) throw new Error('no carry');
    const carried = carriedNumbers(numbers, carry);
    expect(carried.tops[at + 2]).toBe(numbers.tops[at + 1]);
    expect(carried.weights[(at + 2) * 8 + 1]).toBe(numbers.weights[(at + 1) * 8 + 1]);
    expect([carried.tops[at + 1], carried.state?.[at + 1]]).toEqual([NO_EXPERT, NONE]);
    // Twice: what was from before stays so.
    const again = carriedNumbers(carried, { from: Int32Array.from({ length: is.tokens.length }, (_, t) => t), state: new Uint8Array(is.tokens.length), exact: 0 });
    expect([again.state?.[at], again.state?.[at + 1], again.state?.[0]]).toEqual([BEFORE, NONE, NOW]);
  });
});

describe('a strip', () => {
  it('fades what is from before the edit and leaves new tokens flat', () => {
    const carry = carryOf(was, is, 0);
    if (!carry) throw new Error('no carry');
    const rows = siteRows(is.sites);
    const axis = expertAxis(is, old.summary, 'id');
    const carried = sitesOf(old.slice(0, 12), was).map((numbers) => carriedNumbers(numbers, carry));
    const line = wrapTokens(is, 1, 4000, (text) => text.length * 7)[0];
    const drawing = drawStrip(line, stripLayout(rows), carried, axis, PALETTE, 0.45);
    const cell = (t: number) => drawing.marks.find((mark) => mark.kind === 'rect' && mark.y <= 1 && mark.x === line.x[line.tokens.indexOf(t)] && mark.width > 1);
    const colour = (t: number) => tint(PALETTE, axis.columns[axis.columnOf(0, carried[0].tops[t])].hue, carried[0].margins[t], 0.45);
    expect(cell(at - 1)).toMatchObject({ fill: css(colour(at - 1)) });
    expect(cell(at)).toMatchObject({ fill: css(fadedTint(PALETTE, colour(at))) });
    const flat = cell(at + 1);
    expect(flat?.kind === 'rect' && flat.y).toBe(1);
  });
});

/** A bridge whose answers are given by hand. */
function waitingBridge() {
  const asked: { params: { key: string; from: number; to: number; firstToken?: number }; answer(slice: RoutingSlice): void }[] = [];
  const call = (_: string, params: { key: string; from: number; to: number; firstToken?: number }) => ({ cancel: () => undefined, result: new Promise<RoutingSlice>((resolve) => asked.push({ params, answer: resolve })) });
  return { asked, bridge: { call } as unknown as Pick<Bridge, 'call'> };
}
const opened = (trace: typeof old, reused: number): OpenTrace => ({ key: trace.result.key, head: trace.result.head, reused });
const settle = () => new Promise((resolve) => setTimeout(resolve, 0));

describe('fetching', () => {
  it('shows the old numbers until the new ones are here, and asks for changed tokens alone', async () => {
    const { asked, bridge } = waitingBridge();
    const heard: number[][] = [];
    const loader = new SliceLoader(bridge, (sites) => heard.push([...sites]), () => 0);
    // One text, so that the tokens that were not computed again are its beginning.
    const single = (trace: typeof old): typeof old => ({ ...trace, result: { ...trace.result, head: { ...trace.result.head, records: [{ from: 0, to: trace.result.head.tokens.length, label: null, cut: 0 }], tokens: trace.result.head.tokens.map((token) => ({ ...token, record: 0 })) } } });
    const [one, two] = [single(old), single(next)];
    loader.open(opened(one, 0));
    expect(asked.map(({ params }) => params)).toEqual([{ key: 'invented-layers', from: 0, to: 12 }]);
    expect(loader.shown(5)).toBeNull();
    asked[0].answer(one.slice(0, 12));
    await settle();
    expect(heard).toEqual([Array.from({ length: 12 }, (_, s) => s)]);
    const before = loader.get(5);
    const carry = loader.open(opened(two, at));
    expect(carry?.exact).toBe(at);
    expect(loader.get(5)).toBeNull();
    expect(loader.shown(5)?.tops[at + 5]).toBe(before?.tops[at + 4]);
    expect(asked[1].params).toEqual({ key: 'invented-layers-edited', from: 0, to: 12, firstToken: at });
    asked[1].answer(two.slice(0, 12, at));
    await settle();
    expect(loader.complete).toBe(true);
    expect(loader.get(5)).toEqual(sitesOf(two.slice(0, 12), two.result.head)[5]);
  });
  it('asks for everything when the trace in between never came, and when other texts stand first', async () => {
    const { asked, bridge } = waitingBridge();
    const loader = new SliceLoader(bridge, () => undefined, () => 0);
    loader.open(opened(old, 0));
    loader.open(opened(next, at));
    expect(asked[1].params).not.toHaveProperty('firstToken');
    asked[1].answer(next.slice(0, 12));
    await settle();
    expect(loader.complete).toBe(true);
    expect(loader.get(3)?.state).toBeNull();
  });
});
