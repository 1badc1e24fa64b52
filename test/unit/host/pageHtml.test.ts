import vm from 'node:vm';
import { describe, expect, it } from 'vitest';
import { pageHtml } from '../../../extension/host/pageHtml';

const host = { cspSource: 'vscode-resource:', address: (file: string) => `vscode-resource:/dist/${file}?a=1&b=2` };
const NASTY = '/models/</script><img src=x onerror=alert(1)>\u2028"\'&\\';
const make = (resource = '/m'): string => pageHtml(host, { page: 'analysis', title: NASTY, resource, language: 'en' });

/** Texts of the inline scripts. */
const inline = (html: string): string[] => [...html.matchAll(/<script nonce="[^"]+">([\s\S]*?)<\/script>/g)].map((match) => match[1]);

describe('pageHtml', () => {
  it('allows nothing but our bundles', () => {
    const policy = /Content-Security-Policy" content="([^"]+)"/.exec(make())?.[1] ?? '';
    expect(policy).toMatch(/^default-src 'none'; /);
    expect(policy).not.toMatch(/unsafe|connect-src|https?:|\*/);
    const nonces = [...make().matchAll(/nonce[-=]["']?([A-Za-z0-9+/=]+)/g)].map((match) => match[1]);
    expect(new Set(nonces).size).toBe(1);
    expect(nonces).toHaveLength(3);
    expect(nonces[0].length).toBeGreaterThanOrEqual(24);
  });

  it('makes a new nonce for every page', () => {
    expect(/nonce-([^']+)/.exec(make())?.[1]).not.toBe(/nonce-([^']+)/.exec(make())?.[1]);
  });

  it('never lets names out of their place', () => {
    const html = make(NASTY);
    expect(html.match(/<script/g)).toHaveLength(2);
    expect(html).not.toContain('<img');
    expect(html).toContain('vscode-resource:/dist/analysis.js?a=1&amp;b=2');
  });

  it('keeps what it shows in the page’s saved state, whatever else the page saves', () => {
    const states: unknown[] = [];
    let acquired = 0;
    const api = { postMessage: () => undefined, getState: () => states.at(-1), setState: (state: unknown) => states.push(state) };
    const context = vm.createContext({
      acquireVsCodeApi: () => {
        if (++acquired > 1) throw new Error('acquired twice');
        return api;
      },
    });
    for (const script of inline(make(NASTY))) vm.runInContext(script, context);
    expect(states).toEqual([{ resource: NASTY }]);
    vm.runInContext("const page = acquireVsCodeApi(); page.setState({ layer: 3, resource: 'other' })", context);
    expect(states.at(-1)).toEqual({ layer: 3, resource: NASTY });
    expect(vm.runInContext('page.getState()', context)).toEqual({ layer: 3, resource: NASTY });
  });
});
