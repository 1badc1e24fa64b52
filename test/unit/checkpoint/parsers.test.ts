import { readFileSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import { expect, test } from 'vitest';
import { openCheckpoint } from '../../../extension/checkpoint/openCheckpoint';
import { readTensor } from '../../../extension/checkpoint/readTensor';
import { ModulensError } from '../../../extension/protocol/errors';
import golden from '../../golden/checkpoint/pytorchGolden.json';
import onnxGolden from '../../golden/checkpoint/onnxGolden.json';
import { FIXTURES, randomNumbers, temporaryFolder } from './testFiles';

const root = temporaryFolder('parsers-');

/** Damages bytes at random: flips, inserts, deletes, cuts, and numbers blown up. */
function damage(source: Uint8Array, random: () => number, headBytes: number): Buffer {
  let bytes = Buffer.from(source);
  const edits = 1 + Math.floor(random() * 3);
  for (let i = 0; i < edits; i++) {
    const at = Math.floor(random() * Math.min(headBytes, bytes.length));
    const kind = random();
    if (kind < 0.5) bytes[at] = Math.floor(random() * 256);
    else if (kind < 0.65) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)]);
    else if (kind < 0.8) bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from([Math.floor(random() * 256)]), bytes.subarray(at)]);
    else if (kind < 0.9) bytes.fill(255, at, Math.min(bytes.length, at + 8));
    else bytes = bytes.subarray(0, at);
  }
  return bytes;
}

interface Source {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly headBytes: number;
}

const shard = readFileSync(path.join(FIXTURES, 'stories260k-modules/lora-bank-r4/adapter_model.safetensors'));
const archive = Buffer.from(golden.files.find(({ name }) => name === 'views')?.bytes ?? '', 'base64');
const packed = Buffer.from(golden.files.find(({ name }) => name === 'views, compressed')?.bytes ?? '', 'base64');
const graph = Buffer.from(onnxGolden.files.find(({ name }) => name === 'raw data')?.parts[0][1] ?? '', 'base64');

const SOURCES: readonly Source[] = [
  { name: 'x.safetensors', bytes: shard, headBytes: 8 + Number(shard.readBigUInt64LE()) },
  { name: 'x.bin', bytes: archive, headBytes: archive.length },
  { name: 'packed.bin', bytes: packed, headBytes: packed.length },
  { name: 'x.onnx', bytes: graph, headBytes: graph.length },
];

test.each(SOURCES)('damaged $name: a typed failure or a checkpoint whose tensors can be read, never a crash, a hang or a huge allocation', async ({ name, bytes, headBytes }) => {
  const random = randomNumbers(11);
  const file = path.join(root, name);
  let refused = 0;
  const before = process.memoryUsage().rss;
  for (let round = 0; round < 300; round++) {
    writeFileSync(file, damage(bytes, random, headBytes));
    try {
      const checkpoint = await openCheckpoint(file);
      for (const tensor of checkpoint.tensors.values()) {
        expect(tensor.bytes).toBeLessThanOrEqual(1024 * 1024);
        if (round % 10 === 0) await readTensor(tensor);
      }
    } catch (error) {
      if (!(error instanceof ModulensError)) throw error;
      expect(error.message).toContain(name);
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(30);
  expect(process.memoryUsage().rss - before).toBeLessThan(400 * 1024 * 1024);
}, 60_000);
