import fs from 'node:fs';
import path from 'node:path';

export interface Entry { readonly shape: readonly number[]; readonly data?: Float32Array }
export type Json = Record<string, unknown>;

/** Writes a safetensors file by hand; tensors without data are zero. */
export function writeTensors(file: string, tensors: ReadonlyMap<string, Entry>): void {
  const header: Json = {}, parts: Buffer[] = [];
  let at = 0;
  for (const [name, { shape, data }] of tensors) {
    const values = data ?? new Float32Array(shape.reduce((n, d) => n * d, 1));
    header[name] = { dtype: 'F32', shape, data_offsets: [at, (at += values.byteLength)] };
    parts.push(Buffer.from(values.buffer, values.byteOffset, values.byteLength));
  }
  let text = JSON.stringify(header);
  text += ' '.repeat((8 - (Buffer.byteLength(text) % 8)) % 8);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(text)));
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, Buffer.concat([length, Buffer.from(text), ...parts]));
}

export function names(...list: readonly (string | readonly [string, readonly number[]])[]): ReadonlyMap<string, Entry> {
  return new Map(list.map((one) => (typeof one === 'string' ? [one, { shape: [2, 2] }] : [one[0], { shape: one[1] }])));
}

export interface LoraSpec { readonly site: string; readonly inWidth: number; readonly outWidth: number; readonly rank?: number; readonly fill?: (index: number) => number }

/** Writes a PEFT folder. */
export function writeLora(folder: string, sites: readonly LoraSpec[], config: Json = {}): void {
  const tensors = new Map<string, Entry>();
  for (const { site, inWidth, outWidth, rank = 2, fill = (i: number) => Math.sin(1 + i) } of sites) {
    tensors.set(`base_model.model.${site}.lora_A.weight`, { shape: [rank, inWidth], data: Float32Array.from({ length: rank * inWidth }, (_, i) => fill(i)) });
    tensors.set(`base_model.model.${site}.lora_B.weight`, { shape: [outWidth, rank], data: Float32Array.from({ length: rank * outWidth }, (_, i) => fill(i + 1000)) });
  }
  writeTensors(path.join(folder, 'adapter_model.safetensors'), tensors);
  fs.writeFileSync(path.join(folder, 'adapter_config.json'), JSON.stringify({ peft_type: 'LORA', r: sites[0]?.rank ?? 2, lora_alpha: 4, ...config }));
}

export function writeJson(file: string, value: unknown): void {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, typeof value === 'string' ? value : JSON.stringify(value));
}
