import { formatNumber } from '../../extension/protocol/score';
import type { TransferDocument } from '../../extension/protocol/transfer';
import { LAYER_RULE_WORDS, TRANSFER_METHOD_WORDS } from '../../extension/protocol/transferPage';
import { shortBytes } from '../render/shortBytes';
import { droppedGroups } from '../render/transferData';
import { fixed, percent } from '../render/transferLayers';
import { linkButton } from '../ui/controls';
import { el, replace } from '../ui/dom';
import type { PageContext } from './context';
import { section } from './section';

/** Warnings and what makes the result repeatable. */
export function tailView(context: PageContext, host: HTMLElement): void {
  const { model, bridge } = context;
  const tail = el('div.tail-part');
  const warnings = section('warn-block', 'Warnings');
  const repro = section('repro', 'Reproducibility');
  tail.append(warnings.node, repro.node);
  host.append(tail);
  model.watch((changes) => {
    if (!changes.has('state')) return;
    const { document } = model;
    if (!document || model.shows !== 'report') return;
    const dropped = byReason(document);
    replace(warnings.body, document.warnings.length === 0 && dropped.length === 0 ? el('p.note-line', {}, 'None.') : el('ul.warnings', {},
      document.warnings.map(({ message }) => el('li', {}, message)),
      dropped.slice(0, REASONS).map(({ names, reason, share }) => el('li', {}, 'Dropped: ', el('span.mono', {}, names.slice(0, NAMED).join('; ')), `${names.length > NAMED ? ` and ${names.length - NAMED} more` : ''}; ${reason}; ${percent(share)} of the module\u2019s norm.`)),
      dropped.length > REASONS && el('li', {}, `Dropped for ${dropped.length - REASONS} more reasons: `, linkButton('all dropped parts', () => context.showTable('dropped')))));
    const facts = reproducibility(document);
    replace(repro.tools, linkButton('Copy', () => {
      bridge.post({ type: 'copy', text: facts.map(([name, value]) => `${name}\t${value}`).join('\n') + '\n' });
      context.announce('Copied');
    }));
    replace(repro.body, el('dl.facts-table', {}, facts.map(([name, value]) => [el('dt', {}, name), el('dd', {}, value)])));
  });
}

/** Names of dropped parts that a warning holds; the table has all. */
const NAMED = 8;
/** Reasons that have a line of their own. */
const REASONS = 4;

function byReason(document: TransferDocument): readonly { readonly names: readonly string[]; readonly reason: string; readonly share: number }[] {
  const reasons = new Map<string, { names: string[]; share: number }>();
  for (const { name, reason, share } of droppedGroups(document.dropped, document.sites)) {
    const known = reasons.get(reason);
    if (known) {
      known.names.push(name);
      known.share += share;
    } else reasons.set(reason, { names: [name], share });
  }
  return [...reasons].map(([reason, { names, share }]) => ({ names, reason, share }));
}

/** What one needs to get the same numbers again: inputs with their hashes, seeds, versions, files written. */
export function reproducibility(document: TransferDocument): readonly (readonly [string, string])[] {
  const { module, from, to, probe, data, proof, timings, device } = document;
  const parts = Object.entries(timings).filter(([name]) => name !== 'total').map(([name, seconds]) => `${name} ${fixed(seconds, 1)}`);
  const total = timings['total'] ?? Object.values(timings).reduce((sum, value) => sum + value, 0);
  return [
    ['module', `${module.name}, ${module.kind}, ${formatNumber(module.parameters)} parameters`],
    ['source', `${from.name}  ${from.fingerprint}`],
    ['target', `${to.name}  ${to.fingerprint}`],
    ['method', `${TRANSFER_METHOD_WORDS[document.method].title}; layers ${LAYER_RULE_WORDS[document.layerRule].title}`],
    ['probe', probe ? `${probe.name}, ${formatNumber(probe.texts)} texts, ${formatNumber(probe.pairedTokens)} token pairs (${percent(probe.keptShare)} of the target\u2019s)  ${probe.sha256}` : 'none'],
    ['data', data ? `${data.file}, ${formatNumber(data.documents)} texts  ${data.sha256}` : 'none'],
    ['seed', `${document.seed}${proof?.differences[0] ? `; ${formatNumber(proof.differences[0].resamples)} resamples` : ''}`],
    ['written', `${document.out}: ${document.files.map(({ file, bytes, sha256 }) => `${file} ${shortBytes(bytes)} ${sha256}`).join('; ')}`],
    ['time', `${fixed(total, 1)} s: ${parts.join(', ')}`],
    ['device', `${device.used ?? 'none'}${device.requested === 'auto' ? ' (auto)' : ''}`],
    ['program', `${document.program.name} ${document.program.version}`],
  ];
}
