import { describe, expect, it } from 'vitest';
import { moduleFolderOf, orderBases, placesBeside, type BasePlace } from '../../../extension/host/transfer/bases';
import { lineOfRow } from '../../../extension/host/transfer/dataRow';
import { documentPath, readDocument, requestOf } from '../../../extension/host/transfer/memory';
import { checkOut, isInside, type PlaceKind, suggestOut } from '../../../extension/host/transfer/outFolder';
import { inventedTransfer } from '../../e2e/pages/inventedTransfer';

const REQUEST = { module: '/disk/modules/lora', from: '/disk/bases/a', to: '/disk/bases/b b', method: 'copy' } as const;
const WINDOWS = { module: 'C:\\m\\lora', from: 'C:\\m\\a', to: 'D:\\bäse', method: 'copy' } as const;
const looker = (places: Readonly<Record<string, PlaceKind>>) => (path: string): PlaceKind => places[path] ?? 'nothing';
const nothing = looker({});

describe('the suggested folder', () => {
  it('names module and target, and counts on where that is taken', () => {
    expect(suggestOut(REQUEST, '/disk/modules', nothing)).toBe('/disk/modules/lora-on-b b');
    expect(suggestOut(REQUEST, '/disk/modules', looker({ '/disk/modules/lora-on-b b': 'filled', '/disk/modules/lora-on-b b-2': 'file' }))).toBe('/disk/modules/lora-on-b b-3');
    expect(suggestOut(REQUEST, '/disk/modules', looker({ '/disk/modules/lora-on-b b': 'empty' }))).toBe('/disk/modules/lora-on-b b');
    expect(suggestOut(WINDOWS, 'C:\\m', nothing)).toBe('C:\\m\\lora-on-bäse');
  });
});

describe('what may be the output', () => {
  it.each([
    ['', /Give a folder/], ['modules/x', /whole path/], ['/', /root/],
    ['/disk/modules/lora', /the module, which is never written/], ['/disk/modules/lora/', /the module/], ['/disk/modules/lora/new', /inside the module/], ['/disk/modules/other/../lora', /the module/],
    ['/disk/bases/a', /the source base/], ['/disk/bases/b b/x/y', /inside the target base/], ['/disk/bases', /lies in this folder/], ['/disk', /The module lies in this folder/],
  ])('not %s', (path, why) => {
    const answer = checkOut(path, REQUEST, nothing);
    expect(answer.kind).toBe('no');
    expect((answer as { why: string }).why).toMatch(why);
  });

  it('a new or empty folder at once, one with files only after a question, a file never', () => {
    expect(checkOut(' /disk/modules/new/ ', REQUEST, nothing)).toEqual({ kind: 'ok', path: '/disk/modules/new' });
    expect(checkOut('/x', REQUEST, looker({ '/x': 'empty' }))).toEqual({ kind: 'ok', path: '/x' });
    expect(checkOut('/x', REQUEST, looker({ '/x': 'filled' }))).toEqual({ kind: 'replace', path: '/x' });
    expect(checkOut('/x', REQUEST, looker({ '/x': 'file' })).kind).toBe('no');
    expect(checkOut('/disk/modules/lora-2', REQUEST, nothing).kind).toBe('ok');
  });

  it('on Windows as well', () => {
    expect(checkOut('C:\\m\\lora\\x', WINDOWS, nothing).kind).toBe('no');
    expect(checkOut('C:\\m\\new', WINDOWS, nothing)).toEqual({ kind: 'ok', path: 'C:\\m\\new' });
    expect(checkOut('C:\\', WINDOWS, nothing).kind).toBe('no');
    expect(isInside('\\\\server\\share\\a\\b', '\\\\server\\share\\a')).toBe(true);
  });
});

describe('bases to choose from', () => {
  const places: readonly BasePlace[] = [
    { label: 'other', path: '/w/other', origin: 'workspace' }, { label: 'Base', path: '/w/Base', origin: 'workspace' }, { label: 'org/base', path: '/hf/models--org--base/snapshots/1', origin: 'cache' },
    { label: 'base', path: '/m/base', origin: 'beside' }, { label: 'base', path: '/w/Base', origin: 'sample' },
  ];

  it('offers the named one first: the exact name, then what lies beside the module, then the same short name', () => {
    const { named, others } = orderBases('org/base', places);
    expect(named.map(({ path }) => path)).toEqual(['/hf/models--org--base/snapshots/1', '/m/base', '/w/Base']);
    expect(others.map(({ path }) => path)).toEqual(['/w/other']);
  });
  it('leaves out what was chosen already, and knows no named one without a name', () => {
    const { named, others } = orderBases(null, places, ['/w/other/']);
    expect(named).toEqual([]);
    expect(others.map(({ path }) => path)).toEqual(['/w/Base', '/hf/models--org--base/snapshots/1', '/m/base']);
  });
  it('looks beside the module', () => {
    expect(placesBeside('/m/lora', '../base')).toContain('/m/base');
    expect(placesBeside('/m/lora', 'org/base')).toEqual(['/m/lora/org/base', '/m/org/base', '/m/base', '/base']);
    expect(placesBeside('/m/lora', '/abs/base')[0]).toBe('/abs/base');
    expect(placesBeside('/m/lora', null)).toEqual([]);
  });
  it('takes the folder of a file that was clicked', () => {
    expect(moduleFolderOf('/m/lora/adapter_config.json', () => true)).toBe('/m/lora');
    expect(moduleFolderOf('/m/lora', () => false)).toBe('/m/lora');
  });
});

describe('rows of a data file', () => {
  it('are its lines without the blank ones', () => {
    const text = '\ufeff{"text": "a"}\r\n\r\n{"text": "b"}\n   \n{"text": "c"}\n';
    expect([0, 1, 2, 3].map((row) => lineOfRow(text, row))).toEqual([0, 2, 4, null]);
  });
});

describe('a report on disk', () => {
  it('is read back whole, and anything else is not taken for one', () => {
    const document = inventedTransfer('helps');
    expect(readDocument(JSON.stringify(document))).toEqual(JSON.parse(JSON.stringify(document)));
    expect(readDocument('{')).toBeNull();
    expect(readDocument('null')).toBeNull();
    expect(readDocument(JSON.stringify({ kind: 'merge' }))).toBeNull();
    expect(readDocument(JSON.stringify({ ...document, sites: 3 }))).toBeNull();
    expect(documentPath('C:\\m\\x')).toBe('C:\\m\\x\\modulens-transfer.json');
  });
  it('says what was asked, so that it can be planned again', () => {
    expect(requestOf(inventedTransfer('helps'))).toEqual({ module: '/invented/modules/manual-lora', from: '/invented/invented-12l', to: '/invented/invented-8l', method: 'activation-transport', layers: 'proportional', data: undefined, seed: 0 });
  });
});
