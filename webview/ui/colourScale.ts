import { cssOf } from '../render/colours';
import { el } from './dom';
import type { Theme } from './theme';

const WIDTH = 64;
const HEIGHT = 8;

/** A small colour scale with its ends written beside it. */
export function colourScale(theme: Theme, signed: boolean, from: string, to: string): HTMLElement {
  const ratio = window.devicePixelRatio || 1;
  const ramp = signed ? theme.diverging : theme.sequential;
  const bar = el('canvas.ramp', { width: Math.round(WIDTH * ratio), height: Math.round(HEIGHT * ratio), 'aria-hidden': 'true', css: { width: `${WIDTH}px`, height: `${HEIGHT}px` } });
  const ink = bar.getContext('2d');
  for (let x = 0; ink && x < bar.width; x++) {
    ink.fillStyle = cssOf(ramp, Math.round((x / (bar.width - 1)) * 255));
    ink.fillRect(x, 0, 1, bar.height);
  }
  return el('span.scale.note', {}, el('span', {}, from), bar, el('span', {}, to));
}
