import { scoreAgainstNull } from '../../numerics/nullScore';
import { AblationSetting } from '../../evaluation/ablation';
import type { ForwardEnvironment } from '../../probe/forward';
import type { BoundModel } from '../../architecture/resolve';
import type { AblationDetail } from '../../protocol/documents';
import type { Score } from '../../protocol/score';
import { ablationGroups } from './detail';
import type { ProbeRecord, ProbeTexts, WeightsRecord } from './records';

/** Random groups of the same layer, size and norms that an expert is compared with. */
export const ABLATION_DRAWS = 20;
/** Scored tokens that ablation runs on. */
const ABLATION_TOKENS = 1024;

export interface AblationInput {
  readonly model: BoundModel;
  readonly environment: ForwardEnvironment;
  readonly weights: WeightsRecord;
  readonly probe: ProbeRecord;
  readonly texts: ProbeTexts;
  readonly experts: readonly number[];
  readonly seed: number;
  readonly progress: (done: number, total: number) => void;
}

/** What was measured of an expert, and the mean effect of each of its matched groups. */
export interface MeasuredAblation {
  readonly detail: AblationDetail;
  readonly draws: Float64Array;
}

/** Change of loss when an expert's neurons are set to their means, overall and by label, beside matched random groups. */
export async function ablate(input: AblationInput): Promise<readonly MeasuredAblation[]> {
  const { model, environment, weights, probe, texts, seed } = input;
  const chosen = chooseTexts(texts), sequences = chosen.map((s) => texts.sequences[s]);
  const setting = await AblationSetting.prepare(model, environment, weights.index, sequences, probe.meanHidden);
  const whole = await setting.loss([]), tokens = setting.tokens;
  const total = input.experts.length * (ABLATION_DRAWS + 1);
  let done = 0;
  const change = async (group: ArrayLike<number>): Promise<Float64Array> => {
    const loss = await setting.loss(group);
    input.progress(++done, total);
    return loss.map((x, i) => x - whole[i]);
  };
  const out: MeasuredAblation[] = [];
  for (const expert of input.experts) {
    const members = Array.from(probe.labels.keys()).filter((i) => probe.labels[i] === expert);
    const real = await change(members), drawn: Float64Array[] = [];
    for (const group of ablationGroups(weights, probe.labels, expert, seed, ABLATION_DRAWS)) drawn.push(await change(group));
    const score = (keep: (sequence: number) => boolean): Score => {
      const rows = chosen.flatMap((s, i) => (keep(s) ? [i] : []));
      const n = rows.reduce((sum, i) => sum + tokens[i], 0), mean = (values: Float64Array): number => rows.reduce((sum, i) => sum + values[i], 0) / n;
      return scoreAgainstNull({ value: mean(real), draws: drawn.map(mean), n, nOf: 'scored tokens', unit: 'nats per token', direction: 'greater', nullKind: 'random groups of the same layer, size and norms' });
    };
    const all = tokens.reduce((sum, n) => sum + n, 0);
    const detail: AblationDetail = { layer: weights.index, expert, overall: score(() => true), byLabel: texts.labelNames.flatMap((label, l) => (chosen.some((s) => texts.labels[s] === l) ? [{ label, effect: score((s) => texts.labels[s] === l) }] : [])) };
    out.push({ detail, draws: Float64Array.from(drawn, (values) => values.reduce((sum, x) => sum + x, 0) / all) });
  }
  return out;
}

/** One figure for a layer: the mean effect of its experts beside the mean effect of their matched groups, draw by draw. */
export function layerAblation(measured: readonly MeasuredAblation[]): Score | null {
  const usable = measured.filter((m) => m.detail.overall.value !== null);
  if (usable.length === 0) return null;
  const mean = (of: (m: MeasuredAblation) => number): number => usable.reduce((sum, m) => sum + of(m), 0) / usable.length;
  const { n, nOf, unit, nullKind } = usable[0].detail.overall;
  return scoreAgainstNull({ value: mean((m) => m.detail.overall.value ?? 0), draws: Float64Array.from({ length: ABLATION_DRAWS }, (_, i) => mean((m) => m.draws[i])), n, nOf, unit, direction: 'greater', nullKind: `mean over ${usable.length} experts of ${nullKind}` });
}

/** Texts of the scored half, from each label in turn, up to the limit. */
function chooseTexts(texts: ProbeTexts): number[] {
  const groups = new Map<number, number[]>();
  texts.half.forEach((half, s) => { if (half === 1 && texts.sequences[s].length > 1) groups.set(texts.labels[s], [...(groups.get(texts.labels[s]) ?? []), s]); });
  const out: number[] = [];
  let tokens = 0;
  for (let turn = 0; tokens < ABLATION_TOKENS; turn++) {
    let any = false;
    for (const list of groups.values()) {
      if (turn >= list.length || tokens >= ABLATION_TOKENS) continue;
      out.push(list[turn]);
      tokens += texts.sequences[list[turn]].length;
      any = true;
    }
    if (!any) break;
  }
  return out.sort((a, b) => a - b);
}
