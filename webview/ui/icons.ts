import { svg } from './dom';

const PATHS = {
  table: ['M2 3.5h12v9H2z', 'M2 6.5h12M6 6.5v6'],
  export: ['M8 2v8M5 5l3-3 3 3', 'M2.5 9.5v4h11v-4'],
  again: ['M13 8a5 5 0 1 1-1.6-3.7', 'M11.5 1.5v3h-3'],
  close: ['M4 4l8 8M12 4l-8 8'],
  copy: ['M5.5 5.5h8v8h-8z', 'M10.5 5.5v-3h-8v8h3'],
  plus: ['M8 3.5v9M3.5 8h9'],
  minus: ['M3.5 8h9'],
  fork: ['M8 14V9L4 3.5M8 9l4-5.5', 'M4 6.5v-3h3M12 6.5v-3H9'],
  fit: ['M6 2.5H2.5V6M10 2.5h3.5V6M6 13.5H2.5V10M10 13.5h3.5V10'],
} as const;
export type IconName = keyof typeof PATHS;

/** A 16 px line icon in the current text colour. */
export function icon(name: IconName): SVGSVGElement {
  return svg('svg', { viewBox: '0 0 16 16', 'aria-hidden': 'true', focusable: 'false' }, PATHS[name].map((d) => svg('path', { d })));
}
