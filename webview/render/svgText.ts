import type { Drawing, Mark, RasterMark } from './drawing';

/** What a file needs that a page gets from the browser. */
export interface SvgContext {
  /** A CSS colour as one that any program reads. */
  readonly resolve: (colour: string) => string;
  /** Cells as a PNG data URL. */
  readonly raster: (mark: RasterMark) => string;
  readonly font: string;
  readonly mono: string;
}

/** A drawing as a standalone SVG file: title and description first, tooltips as `<title>`. */
export function svgText(drawing: Drawing, title: string, description: string, context: SvgContext): string {
  const head = `<svg xmlns="http://www.w3.org/2000/svg" width="${drawing.width}" height="${drawing.height}" viewBox="0 0 ${drawing.width} ${drawing.height}">`;
  const hatch = `<pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><line x1="0" y1="0" x2="0" y2="6" stroke="${context.resolve('var(--ml-null-mean)')}"/></pattern>`;
  const dots = `<pattern id="dots" width="4" height="4" patternUnits="userSpaceOnUse"><rect x="1" y="1" width="1" height="1" fill="${context.resolve('var(--ml-ink)')}"/></pattern>`;
  const ground = `<rect width="${drawing.width}" height="${drawing.height}" fill="${context.resolve('var(--ml-page)')}"/>`;
  return [head, `<title>${escapeXml(title)}</title><desc>${escapeXml(description)}</desc><defs>${hatch}${dots}</defs>`, ground, ...drawing.marks.map((mark) => markText(mark, context)), '</svg>', ''].join('\n');
}

function markText(mark: Mark, context: SvgContext): string {
  const title = mark.tip ? `<title>${escapeXml(mark.tip)}</title>` : '';
  if (mark.kind === 'raster') return `<image x="${mark.x}" y="${mark.y}" width="${mark.width}" height="${mark.height}" preserveAspectRatio="none" style="image-rendering:pixelated" href="${context.raster(mark)}"/>`;
  if (mark.kind === 'text') return `<text x="${mark.x}" y="${mark.y}" font-family="${escapeXml(mark.mono ? context.mono : context.font)}" font-size="${mark.size}" font-weight="${mark.bold ? 600 : 400}" text-anchor="${mark.anchor ?? 'start'}" fill="${context.resolve(mark.fill)}">${escapeXml(mark.text)}${title}</text>`;
  const fill = mark.kind === 'line' ? '' : ` fill="${context.resolve(mark.fill ?? 'none')}"`;
  const stroke = mark.stroke && mark.stroke !== 'none' ? ` stroke="${context.resolve(mark.stroke)}" stroke-width="${mark.strokeWidth ?? 1}"${mark.dash ? ` stroke-dasharray="${mark.dash}"` : ''}` : '';
  const close = title ? `>${title}</${mark.kind}>` : '/>';
  switch (mark.kind) {
    case 'rect':
      return `<rect x="${mark.x}" y="${mark.y}" width="${Math.max(0, mark.width)}" height="${Math.max(0, mark.height)}"${fill}${stroke}${close}`;
    case 'line':
      return `<line x1="${mark.x1}" y1="${mark.y1}" x2="${mark.x2}" y2="${mark.y2}"${mark.round ? ' stroke-linecap="round"' : ''}${stroke}${close}`;
    case 'circle':
      return `<circle cx="${mark.x}" cy="${mark.y}" r="${mark.r}"${fill}${stroke}${close}`;
    case 'path':
      return `<path d="${mark.d}"${fill}${stroke}${close}`;
  }
}

/** Text for XML: the five special characters, and control characters that XML cannot hold as U+FFFD. */
export function escapeXml(text: string): string {
  return text
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd')
    .replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;').replace(/'/g, '&#39;');
}
