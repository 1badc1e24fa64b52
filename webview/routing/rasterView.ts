import { el, replace } from '../ui/dom';
import { linkButton } from '../ui/controls';
import type { PageContext } from './context';
import { denseView, tokenWords } from './denseView';
import { cellWords, readerView } from './readerView';
import { picture, section, widthOf } from './section';

/** Tokens by sites: the whole trace on top, the text itself below. */
export function rasterView(context: PageContext, host: HTMLElement): { tokens(): readonly number[] } {
  const { model } = context;
  const parts = section('raster', 'Tokens by layer');
  const reader = readerView(context);
  const dense = denseView(context, () => reader.window());
  const readout = el('div.readout');
  const box = picture('reader', 'tokens', 'Tokens by site. Left and right move the token, up and down the site, Control and an arrow go to the next switch of expert, Enter shows the token in the editor, P pins it, T opens the table.', dense.node, reader.node);
  parts.body.append(box, readout);
  host.append(parts.node);
  let showAll = false;
  const full = el('span.full-note', {}, 'hue and letter: top expert; paler: smaller margin; dashed: near tie');
  replace(parts.caption, full);

  const linesShown = (): number => {
    if (showAll) return Infinity;
    const wide = document.documentElement.clientWidth > 1180;
    return model.rows.length > 12 ? 1 : wide ? 2 : 3;
  };
  const render = (): void => {
    const width = widthOf(parts.body);
    parts.title.textContent = model.rows.some((row) => row.name !== row.full) ? 'Tokens by site' : 'Tokens by layer';
    reader.render(width, linesShown());
    dense.render(width);
    readoutNow();
  };
  const readoutNow = (): void => {
    const { head, token } = model;
    if (!head) return;
    const shown = token ?? reader.window()?.[0] ?? 0;
    const record = head.tokens[shown]?.record ?? 0;
    const hidden = reader.hidden();
    replace(readout,
      token !== null ? el('span', {}, 'token ', el('span.mono', {}, String(token)), ' of ', el('span.mono', {}, String(head.tokens.length))) : el('span', {}, el('span.mono', {}, String(head.tokens.length)), ' tokens'),
      el('span', {}, `text ${record + 1}${head.records[record]?.label ? `, ${head.records[record]?.label ?? ''}` : ''}`),
      hidden > 0 ? el('span', {}, el('span.mono', {}, String(hidden)), ` more ${hidden === 1 ? 'line' : 'lines'} of this text `, linkButton('show', () => {
        showAll = true;
        render();
      })) : showAll && linkButton('show fewer lines', () => {
        showAll = false;
        render();
      }));
  };

  box.addEventListener('mousemove', (event) => {
    const inDense = event.target instanceof Node && dense.node.contains(event.target);
    if (inDense) {
      const token = dense.tokenAt(event);
      box.dataset.tip = cellWords(context, token, model.site);
      model.preview({ token });
      return;
    }
    const at = reader.at(event);
    if (!at) {
      delete box.dataset.tip;
      return;
    }
    box.dataset.tip = at.site >= 0 ? cellWords(context, at.token, at.site) : tokenWords(context, at.token);
    model.preview({ token: at.token, ...(at.site >= 0 ? { site: at.site } : {}) });
  });
  box.addEventListener('mouseleave', () => model.preview({ token: null, site: null }));
  box.addEventListener('click', (event) => {
    if (event.target instanceof Node && dense.node.contains(event.target)) {
      model.lock({ token: dense.tokenAt(event) });
      return;
    }
    const at = reader.at(event);
    if (at) model.lock({ token: at.token, ...(at.site >= 0 ? { site: at.site } : {}) });
  });
  box.addEventListener('focus', () => {
    if (model.token === null && model.head) context.announce(`${model.head.tokens.length} tokens at ${model.rows.length} sites. Press an arrow key to choose one.`);
  });

  model.watch((changes) => {
    if (changes.has('trace') || changes.has('view') || changes.has('size') || changes.has('theme')) {
      if (changes.has('trace') && !model.updated) showAll = false;
      render();
      return;
    }
    if (changes.has('stale')) {
      dense.data(null);
      reader.data(null);
    } else if (changes.has('data')) {
      dense.data(model.arrived);
      reader.data(model.arrived);
    }
    if (changes.has('anchor')) reader.follow();
    if (changes.has('selection') || changes.has('anchor')) {
      reader.mark();
      dense.mark();
      readoutNow();
    }
    if (changes.has('anchor') || changes.has('selection')) model.slices.pump();
  });
  return { tokens: () => reader.tokens() };
}
