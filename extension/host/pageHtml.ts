import { randomBytes } from 'node:crypto';

/** A page's bundle: `dist/<name>.js` and `dist/<name>.css`. */
export type PageName = 'analysis' | 'tensors' | 'routing' | 'merge' | 'transfer';

/** What the builder needs of a webview, so that it can be tested without VS Code. */
export interface PageHost {
  readonly cspSource: string;
  /** Address of a file of `dist/` inside the page. */
  address(file: string): string;
}

export interface PageOptions {
  readonly page: PageName;
  readonly title: string;
  /** What the page shows (a path). Kept in the page's saved state, so that a panel can be revived after a restart. */
  readonly resource: string;
  readonly language: string;
}

/** Key of the saved page state under which `resource` lies. */
export const RESOURCE_STATE = 'resource';

/** The toolkit adds one empty style element; this is the hash of the empty text. */
const EMPTY_STYLE = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='";

/** Builds every page: nothing is allowed but our own bundles, scripts only with this page's nonce, no connections. */
export function pageHtml(host: PageHost, options: PageOptions): string {
  const nonce = randomBytes(18).toString('base64');
  const policy = [
    "default-src 'none'",
    `img-src ${host.cspSource} data: blob:`,
    `style-src ${host.cspSource} ${EMPTY_STYLE}`,
    `font-src ${host.cspSource}`,
    `script-src 'nonce-${nonce}'`,
  ].join('; ');
  return `<!DOCTYPE html>
<html lang="${escapeHtml(options.language)}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<link rel="stylesheet" href="${escapeHtml(host.address('codicon.css'))}">
<link rel="stylesheet" href="${escapeHtml(host.address(`${options.page}.css`))}">
<title>${escapeHtml(options.title)}</title>
</head>
<body data-page="${options.page}">
<div id="root"></div>
<script nonce="${nonce}">${keepResource(options.resource)}</script>
<script nonce="${nonce}" src="${escapeHtml(host.address(`${options.page}.js`))}"></script>
</body>
</html>`;
}

/**
 * A script that adds the resource to whatever the page saves: the page need not know it, and a revived panel tells
 * the host what it showed. The API can be acquired only once, so the acquired one is handed on.
 */
function keepResource(resource: string): string {
  const member = `${JSON.stringify(RESOURCE_STATE)}:${scriptText(resource)}`;
  return `(()=>{const api=acquireVsCodeApi();const keep=s=>api.setState({...s,${member}});keep(api.getState());globalThis.acquireVsCodeApi=()=>({postMessage:m=>api.postMessage(m),getState:()=>api.getState(),setState:keep});})()`;
}

/** A string as a JavaScript literal that cannot end the script element. */
function scriptText(text: string): string {
  return JSON.stringify(text).replace(/[<>&\u2028\u2029]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Text inside HTML elements and attributes. */
export function escapeHtml(text: string): string {
  const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return text.replace(/[&<>"']/g, (character) => entities[character]);
}
