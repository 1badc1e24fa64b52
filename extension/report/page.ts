import { escapeHtml } from './html';

/** A standalone report: no script, no outside request, light and dark by the reader's choice. `body` is HTML with everything from files escaped. */
export function reportPage(title: string, body: string): string {
  return `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeHtml(title)}</title><style>${STYLE}</style></head><body><main>
${body}
</main></body></html>
`;
}

/** Terms and values in a line that wraps. */
export function factList(rows: readonly (readonly [string, string])[]): string {
  return `<dl>${rows.map(([term, value]) => `<div><dt>${escapeHtml(term)}</dt><dd>${escapeHtml(value)}</dd></div>`).join('')}</dl>`;
}

/** A table whose first column names the row; `dim` rows are told from chance by nothing. */
export function reportTable(head: readonly string[], rows: readonly { readonly cells: readonly string[]; readonly dim?: boolean }[]): string {
  return `<table><thead><tr>${head.map((h) => `<th scope="col">${escapeHtml(h)}</th>`).join('')}</tr></thead><tbody>${rows.map(({ cells, dim }) => `<tr${dim ? ' class="in"' : ''}>${cells.map((c, i) => (i === 0 ? `<th scope="row">${escapeHtml(c)}</th>` : `<td>${escapeHtml(c)}</td>`)).join('')}</tr>`).join('')}</tbody></table>`;
}

const STYLE = `:root{color-scheme:light dark;--ink:#1f1f1f;--dim:#5f5f5f;--page:#fff;--line:#ddd;--band:#0002;--bar:#767676}@media(prefers-color-scheme:dark){:root{--ink:#ddd;--dim:#9d9d9d;--page:#1f1f1f;--line:#3c3c3c;--band:#fff2;--bar:#8b8b8b}}
body{margin:0;background:var(--page);color:var(--ink);font:13px/1.5 system-ui,sans-serif}main{max-width:960px;margin:0 auto;padding:24px 16px}h1{font-size:18px;margin:0 0 12px}h2{font-size:14px;margin:28px 0 4px;border-top:1px solid var(--line);padding-top:12px}h3{font-size:13px;margin:16px 0 0}.note,footer,dt{color:var(--dim);font-size:12px}p.note{margin:0 0 6px}
dl{display:flex;flex-wrap:wrap;gap:4px 20px;margin:0}dl div{display:flex;gap:6px}dd{margin:0;font-family:ui-monospace,monospace;font-size:12px}svg{max-width:100%;height:auto;font:11px system-ui,sans-serif}svg text{fill:var(--ink)}svg .end,svg .index{fill:var(--dim);font:10px ui-monospace,monospace}.band{fill:var(--band)}.bar{stroke:var(--bar);stroke-width:3}.tick{fill:var(--ink)}.inside{fill:var(--page);stroke:var(--bar)}.asked{fill:#3b82d6}.other{fill:var(--bar)}.axis{stroke:var(--line)}.curve{fill:none;stroke:var(--bar)}
table{border-collapse:collapse;font-family:ui-monospace,monospace;font-size:12px;font-variant-numeric:tabular-nums;width:100%}th,td{text-align:left;padding:2px 12px 2px 0;border-bottom:1px solid var(--line);font-weight:400}thead th{color:var(--dim);font-family:system-ui,sans-serif}tr.in td{color:var(--dim)}code{font-size:11px;overflow-wrap:anywhere}footer{margin-top:28px}`;
