import { describe, expect, it } from 'vitest';
import { bytesOfToken, readableBytes } from '../../../extension/probe/byteLevel';

describe('byte-level tokens', () => {
  it('all 256 bytes have a character of their own', () => {
    const characters = Array.from({ length: 324 }, (_, code) => String.fromCharCode(code)).filter((c) => bytesOfToken(c) !== null);
    expect(characters).toHaveLength(256);
    expect(new Set(characters.map((c) => bytesOfToken(c)?.[0])).size).toBe(256);
  });

  it('known spellings', () => {
    expect(readableBytes(bytesOfToken('\u0120the') ?? new Uint8Array())).toBe(' the');
    expect(readableBytes(bytesOfToken('\u010a') ?? new Uint8Array())).toBe('\n');
    expect(bytesOfToken('<mask>\u4e2d')).toBeNull();
  });

  it('parts of characters are shown as bytes, whole ones as they are', () => {
    const euro = [0xe2, 0x82, 0xac];
    expect(readableBytes(Uint8Array.from(euro))).toBe('\u20ac');
    expect(readableBytes(Uint8Array.from([0x61, ...euro.slice(0, 2)]))).toBe('a<0xE2><0x82>');
    expect(readableBytes(Uint8Array.from([0xac, 0x62]))).toBe('<0xAC>b');
    expect(readableBytes(Uint8Array.from([0xf0, 0x9f, 0x99, 0x82, 0xff]))).toBe('\u{1f642}<0xFF>');
  });
});
