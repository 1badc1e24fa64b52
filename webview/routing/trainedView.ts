import type { TrainedVersusKeys } from '../../extension/protocol/routing';
import { formatNumber, isEvidence, type Score } from '../../extension/protocol/score';
import { scoreTip } from '../render/scoreText';
import type { DataTable } from '../render/table';
import { drawTrack } from '../render/track';
import { CallError, type PendingCall } from '../ui/bridge';
import { linkButton } from '../ui/controls';
import { el, replace } from '../ui/dom';
import { drawSvg } from '../ui/drawSvg';
import type { PageContext } from './context';
import { picture, section } from './section';

const MEANS = { cosine: 'mean cosine of a router row with the mean gate key of its own expert', agreement: 'share of choices that avg-k over those keys would have made too' } as const;

/** Whether a model's own router looks like avg-k over its experts' keys. Asked for, because every expert's gate is read. */
export function trainedView(context: PageContext, host: HTMLElement): { sites(): readonly TrainedVersusKeys[] | null } {
  const { model, bridge } = context;
  const parts = section('trained', 'Trained router and avg-k');
  const box = picture('trained-box', 'trained', 'The trained router beside avg-k, layer by layer. Up and down go through them, T opens the table.');
  parts.body.append(box);
  let key: string | null = null;
  let found: readonly TrainedVersusKeys[] | null = null;
  let failed: string | null = null;
  let pending: PendingCall<{ sites: readonly TrainedVersusKeys[] }> | null = null;
  let at = -1;

  const ask = async (): Promise<void> => {
    if (key === null || pending) return;
    const asked = key;
    pending = bridge.call('routing/trained', { key });
    failed = null;
    render();
    try {
      const { sites } = await pending.result;
      if (asked === key) found = sites;
    } catch (error) {
      if (asked === key && error instanceof CallError) failed = error.record?.message ?? null;
    }
    pending = null;
    render();
  };
  const cells = (name: keyof typeof MEANS, score: Score): readonly HTMLElement[] => [
    el('span', { tip: scoreTip(MEANS[name], score) }, drawSvg(drawTrack({ domain: [Math.min(0, score.value ?? 0), 1] }, score, 96, 16))),
    el('span.mono.r', {}, formatNumber(score.value)), el('span.note', {}, `null ${formatNumber(score.null)}, n = ${formatNumber(score.n)}`),
  ];
  const render = (): void => {
    parts.caption.textContent = found?.[0] ? `band: router rows paired with the keys of other experts; n: experts, then choices of a layer` : '';
    if (found) {
      replace(box, el('div.trained-row', {}, el('span', {}, ''), el('span.wide', {}, 'cosine with own keys'), el('span.wide', {}, 'same choices as avg-k')), found.map(({ layer, cosine, agreement }) => el('div.trained-row', { class: `trained-row${isEvidence(cosine) || isEvidence(agreement) ? '' : ' inside-text'}` }, el('span.mono', {}, `L${layer}`), ...cells('cosine', cosine), ...cells('agreement', agreement))));
      return;
    }
    replace(box, pending ? el('p.note', {}, 'Reading every expert\u2019s gate\u2026') : el('p.note', {}, failed ?? 'Does it send tokens where their product with an expert\u2019s mean key is largest? Reads every expert\u2019s gate. ', ' ', linkButton(failed ? 'Try again' : 'Compare', () => void ask())));
  };
  box.addEventListener('keydown', (event) => {
    const by = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (by === 0 || !found) return;
    at = Math.max(0, Math.min(found.length - 1, at + by));
    const { layer, cosine, agreement } = found[at];
    context.announce(`Layer ${layer}, ${[scoreTip(MEANS.cosine, cosine), scoreTip(MEANS.agreement, agreement)].join(', ').split('\n').join(', ')}`);
    event.preventDefault();
    event.stopPropagation();
  });
  model.watch((changes) => {
    if (!changes.has('trace') && !changes.has('theme')) return;
    const now = model.head?.router === 'native' ? model.result?.key ?? null : null;
    if (now !== key) {
      pending?.cancel();
      [key, found, failed, pending] = [now, null, null, null];
    }
    if (key === null) parts.node.remove();
    else {
      if (!parts.node.isConnected) host.append(parts.node);
      render();
    }
  });
  return { sites: () => found };
}

/** The same as a table. */
export function trainedTable(sites: readonly TrainedVersusKeys[]): DataTable {
  return {
    id: 'trained', title: 'Trained router and avg-k', note: 'Null: router rows paired with the keys of other experts.', columns: ['Site', 'Cosine with its experts\u2019 keys', 'Same choices as avg-k'],
    rows: sites.map(({ site, cosine, agreement }) => [site, cosine, agreement]),
  };
}
