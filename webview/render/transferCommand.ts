import type { TransferRequest } from '../../extension/protocol/transfer';

/** A word for a shell: as it is where that is safe, else in single quotes. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** The command line that does what the page would do. */
export function transferCommand(request: TransferRequest, out: string): string {
  const options: readonly (readonly [string, string | number | undefined])[] = [
    ['--module', request.module], ['--from', request.from], ['--to', request.to], ['--method', request.method], ['--layers', request.layers], ['--probe', request.probe], ['--tokens', request.tokens], ['--data', request.data],
    ['--seed', request.seed], ['--device', request.device], ['--out', out],
  ];
  return ['modulens transfer', ...options.flatMap(([name, value]) => (value === undefined ? [] : [`${name} ${quoted(String(value))}`]))].join(' ');
}
