/** Byte-level BPE (GPT-2) writes each byte as one printable character; this is its table. */
const BYTES: ReadonlyMap<string, number> = (() => {
  const table = new Map<string, number>();
  const printable = (byte: number): boolean => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  let next = 256;
  for (let byte = 0; byte < 256; byte++) table.set(String.fromCharCode(printable(byte) ? byte : next++), byte);
  return table;
})();

/** The bytes of a byte-level token as it stands in the vocabulary; null where a character is none of the 256 (an added token). */
export function bytesOfToken(token: string): Uint8Array | null {
  const bytes: number[] = [];
  for (const character of token) {
    const byte = BYTES.get(character);
    if (byte === undefined) return null;
    bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Bytes as text; those that are no whole character (a token can end inside one) as `<0xE2>`. */
export function readableBytes(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length;) {
    const lead = bytes[at], length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    const character = wholeCharacter(bytes.subarray(at, at + length));
    text += character ?? `<0x${lead.toString(16).toUpperCase().padStart(2, '0')}>`;
    at += character === null ? 1 : length;
  }
  return text;
}

function wholeCharacter(bytes: Uint8Array): string | null {
  try {
    return strict.decode(bytes);
  } catch {
    return null;
  }
}
