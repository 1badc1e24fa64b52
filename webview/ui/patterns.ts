import { svg } from './dom';

/** The fills that drawings name by `url(#...)`; put once into the page. */
export function installPatterns(): void {
  document.body.prepend(svg('svg', { width: 0, height: 0, 'aria-hidden': 'true', focusable: 'false', css: { position: 'absolute' } },
    svg('defs', {},
      svg('pattern', { id: 'hatch', width: 6, height: 6, patternUnits: 'userSpaceOnUse', patternTransform: 'rotate(45)' }, svg('line', { x1: 0, y1: 0, x2: 0, y2: 6, stroke: 'var(--ml-null-mean)', 'stroke-width': 1 })),
      svg('pattern', { id: 'dots', width: 4, height: 4, patternUnits: 'userSpaceOnUse' }, svg('rect', { x: 1, y: 1, width: 1, height: 1, fill: 'var(--ml-ink)' })))));
}
