import type { LabelCell, LabelsLayout } from '../render/routingLabels';
import { drawLabels, labelAt, labelCells, labelCellText, labelsLayouts, labelsDomain, plottedColumns, PLOTS_MOST } from '../render/routingLabels';
import { CanvasPicture } from '../ui/canvasPicture';
import { el, replace, setCss } from '../ui/dom';
import type { PageContext } from './context';
import { picture, section, widthOf } from './section';

/** Cells of the labels at the chosen site; empty without labels. */
export function currentLabelCells(context: PageContext): readonly LabelCell[] {
  const { model } = context;
  const site = model.summary?.sites[model.site];
  return model.head && model.summary && site ? labelCells(site, model.site, model.head.sites[model.site]?.E ?? 0, model.summary.labels.length, model.axis) : [];
}

/** Experts by kind of text at the chosen site. Without labels the place says what would fill it. */
export function labelsView(context: PageContext, host: HTMLElement): void {
  const { model } = context;
  const parts = section('labels', 'Experts by kind of text');
  const box = picture('labels-box', 'labels', 'Kinds of text by experts. Arrow keys move the cell, T opens the table.');
  const none = el('p.none', { hidden: true }, 'The texts carry no labels, so kinds of text cannot be compared. Give each record of a .jsonl file a \u201clabel\u201d, two kinds or more with at least 8 tokens each, and show the routing again.');
  parts.body.append(box, none);
  host.append(parts.node);
  const mark = el('div.cell-cursor', { hidden: true });
  let canvases: readonly CanvasPicture[] = [];
  let layouts: readonly LabelsLayout[] = [];
  let cells: readonly LabelCell[] = [];
  let cursor: { label: number; column: number } | null = null;
  let shownSite = -1;

  const render = (): void => {
    const { summary, axis, site, rows } = model;
    if (!summary) return;
    shownSite = site;
    const has = summary.labels.length > 1;
    box.hidden = !has;
    none.hidden = has;
    parts.title.textContent = `Experts by kind of text at ${rows[site]?.words ?? ''}`;
    if (!has) {
      parts.caption.textContent = '';
      return;
    }
    cells = currentLabelCells(context);
    const plotted = plottedColumns(cells, axis.columns.length);
    parts.caption.textContent = `share of routing weight with 95 % interval; band: shuffled labels${axis.columns.length > PLOTS_MOST ? `; the ${plotted.length} of ${axis.columns.length} experts furthest from it` : ''}`;
    layouts = labelsLayouts(summary.labels, plotted, widthOf(parts.body));
    const limit = labelsDomain(cells);
    if (canvases.length !== layouts.length) {
      canvases = layouts.map((_, i) => canvases[i] ?? new CanvasPicture());
      replace(box, canvases.map((canvas) => el('div.canvas-box', {}, canvas.node)), mark);
    }
    layouts.forEach((layout, i) => canvases[i]?.draw(drawLabels(cells, summary.labels, summary.tokensPerLabel, axis, layout, limit, context.palette()), context.theme.resolve));
    placeCursor();
  };

  const placeCursor = (): void => {
    const line = cursor ? layouts.findIndex((layout) => layout.columns.includes(cursor?.column ?? -1)) : -1;
    const layout = layouts[line];
    const owner = canvases[line]?.node;
    mark.hidden = !layout || !owner;
    if (!layout || !owner || !cursor) return;
    const left = owner.offsetLeft + layout.names + layout.columns.indexOf(cursor.column) * layout.cell;
    setCss(mark, { left: `${left}px`, top: `${owner.offsetTop + layout.top + cursor.label * layout.row}px`, width: `${layout.cell}px`, height: `${layout.row}px` });
  };

  const tell = (): void => {
    const { summary, axis } = model;
    const at = cursor;
    const cell = at && cells.find((one) => one.label === at.label && one.column === at.column);
    if (cell && summary) context.announce(labelCellText(cell, summary.labels[cell.label] ?? '', axis.columns[cell.column]?.name ?? '', summary.tokensPerLabel[cell.label] ?? 0).split('\n').join(', '));
    placeCursor();
  };

  box.addEventListener('mousemove', (event) => {
    const tip = canvases.find((canvas) => canvas.node === event.target)?.tipAt(event.clientX, event.clientY);
    if (tip) box.dataset.tip = tip;
    else delete box.dataset.tip;
  });
  box.addEventListener('click', (event) => {
    const line = canvases.findIndex((canvas) => canvas.node === event.target);
    const layout = layouts[line];
    const bounds = canvases[line]?.node.getBoundingClientRect();
    if (!layout || !bounds) return;
    const at = labelAt(layout, event.clientX - bounds.left, event.clientY - bounds.top);
    if (at) model.lock({ site: model.site, expert: model.axis.expertAt(model.site, at.column) });
  });
  box.addEventListener('keydown', (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step || event.ctrlKey) return;
    const columns = layouts.flatMap((layout) => layout.columns);
    const labels = model.summary?.labels.length ?? 1;
    const place = cursor ? columns.indexOf(cursor.column) : 0;
    cursor = cursor ? { label: Math.max(0, Math.min(labels - 1, cursor.label + (step[0] ?? 0))), column: columns[Math.max(0, Math.min(columns.length - 1, place + (step[1] ?? 0)))] ?? 0 } : { label: 0, column: columns[0] ?? 0 };
    tell();
    event.preventDefault();
    event.stopPropagation();
  });
  model.watch((changes) => {
    if (changes.has('trace') || changes.has('view') || changes.has('size') || changes.has('theme') ) render();
    else if (changes.has('selection') && model.site !== shownSite) model.rested('labels', render);
  });
}
