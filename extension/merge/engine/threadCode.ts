import type { createHash, Hash } from 'node:crypto';
import type { readSync, writeSync } from 'node:fs';
import type { MessagePort } from 'node:worker_threads';
import type { Kernels } from './kernels';
import type { Block, Kernel, PassInput, PassSetup, ThreadFailure, ThreadReply, ThreadRequest } from './passTypes';

/** What the code of a thread is given, because it cannot import. */
export interface ThreadHost {
  readonly port: MessagePort;
  readonly module: WebAssembly.Module;
  readonly kernels: Readonly<Record<string, Kernel>>;
  readonly readSync: typeof readSync;
  readonly writeSync: typeof writeSync;
  readonly createHash: typeof createHash;
}

/**
 * What a merge thread runs: for each task it reads a chunk of every input, decodes it to float32, lets the kernel compute block by block, rounds
 * once and writes at the final place. Uses nothing but its argument, because threads get it as text.
 */
export function mergeThread({ port, module, kernels, readSync, writeSync, createHash }: ThreadHost): void {
  const wasm = new WebAssembly.Instance(module).exports as unknown as Kernels;
  const passes = new Map<number, PassSetup>(), hashes = new Map<number, Hash>();
  const SIZES: Readonly<Record<string, number>> = { F64: 8, F32: 4, F16: 2, BF16: 2 };
  const INFINITE = 0x7f800000, HALF_OVERFLOW = 0x477ff000, HALF_MOST = 65504;
  let copyBuffer = new Uint8Array(0);

  const fail = (failure: ThreadFailure): never => { throw Object.assign(new Error(failure.kind), { failure }); };
  const read = (fd: number, target: Uint8Array, offset: number, input: number): void => {
    for (let done = 0; done < target.length;) {
      const bytes = readSync(fd, target, done, target.length - done, offset + done);
      if (bytes === 0) fail({ kind: 'changed', input });
      done += bytes;
    }
  };
  const write = (fd: number, source: Uint8Array, offset: number): void => {
    for (let done = 0; done < source.length;) done += writeSync(fd, source, done, source.length - done, offset + done);
  };
  const reserve = (bytes: number): void => {
    const missing = bytes - wasm.memory.buffer.byteLength;
    if (missing > 0) wasm.memory.grow(Math.ceil(missing / 65536));
  };

  /** Decodes one block of one input to float32 at `to`; the bits of its largest magnitude. */
  const decode = (input: PassInput, raw: number, to: number, n: number, padded: number): number => {
    let most: number;
    switch (input.dtype) {
      case 'BF16': most = wasm.decodeBf16(to, raw, padded); break;
      case 'F16': most = wasm.decodeF16(to, raw, padded); break;
      case 'F64': {
        const view = new DataView(wasm.memory.buffer, raw, 8 * n), floats = new Float32Array(wasm.memory.buffer, to, padded);
        for (let i = 0; i < n; i++) floats[i] = view.getFloat64(8 * i, true);
        floats.fill(0, n);
        most = wasm.largestBits(to, padded);
        break;
      }
      default:
        new Uint8Array(wasm.memory.buffer).copyWithin(to, raw, raw + 4 * n);
        new Float32Array(wasm.memory.buffer, to, padded).fill(0, n);
        most = wasm.largestBits(to, padded);
    }
    if (n < padded) new Float32Array(wasm.memory.buffer, to, padded).fill(0, n);
    return most;
  };

  const addLoras = (input: PassInput, to: number, first: number, n: number): void => {
    const x = new Float32Array(wasm.memory.buffer, to, n);
    for (const { left, right, rank, columns, scale } of input.loras) {
      for (let i = 0; i < n;) {
        const row = Math.floor((first + i) / columns), column = (first + i) - row * columns, count = Math.min(n - i, columns - column);
        for (let k = 0; k < rank; k++) {
          const factor = Math.fround(scale * left[row * rank + k]), start = k * columns + column;
          if (factor !== 0) for (let j = 0; j < count; j++) x[i + j] += factor * right[start + j];
        }
        i += count;
      }
    }
  };

  const chunk = (task: number, pass: PassSetup, firstBlock: number, blocks: number): ThreadReply => {
    const { inputs, output, blockElements, elements } = pass, kernel = kernels[pass.kernel];
    const start = firstBlock * blockElements, count = Math.min(elements, (firstBlock + blocks) * blockElements) - start;
    const slot = 4 * (16 * Math.ceil(blockElements / 16) + 16), areas = inputs.length + 1 + pass.temporaries;
    const countsAt = areas * slot, countsEnd = countsAt + 16 * Math.ceil(pass.counts / 4);
    // Raw bytes end with room for what decoding reads beyond them.
    const rawAt: number[] = [];
    let end = countsEnd;
    for (const { dtype } of inputs) { rawAt.push(end); end += 64 * Math.ceil((count * SIZES[dtype] + 128) / 64); }
    const outAt = end;
    if (output) end += 64 * Math.ceil((count * SIZES[output.dtype] + 128) / 64);
    reserve(end);
    const memory = new Uint8Array(wasm.memory.buffer);
    inputs.forEach(({ fd, offset, dtype }, i) => {
      const size = SIZES[dtype], bytes = count * size;
      read(fd, memory.subarray(rawAt[i], rawAt[i] + bytes), offset + start * size, i);
      memory.fill(0, rawAt[i] + bytes, rawAt[i] + bytes + 64);
    });
    if (pass.counts > 0) memory.fill(0, countsAt, countsEnd);
    const values = new Float64Array(blocks * pass.values), x = inputs.map((_, i) => i * slot), out = inputs.length * slot;
    let clamped = 0;
    for (let b = 0; b < blocks; b++) {
      const from = b * blockElements, n = Math.min(blockElements, count - from), padded = 16 * Math.ceil(n / 16);
      inputs.forEach((input, i) => {
        const raw = rawAt[i] + from * SIZES[input.dtype], difference = pass.deltas && i > 0;
        if (difference && input.dtype === 'BF16' && input.loras.length === 0 && input.cast === null) {
          if (wasm.decodeDeltaBf16(x[i], raw, x[0], padded) >= INFINITE) fail({ kind: 'input-not-finite', input: i });
          if (n < padded) new Float32Array(wasm.memory.buffer, x[i], padded).fill(0, n);
          return;
        }
        if (decode(input, raw, x[i], n, padded) >= INFINITE) fail({ kind: 'input-not-finite', input: i });
        if (input.loras.length > 0) addLoras(input, x[i], start + from, n);
        if (input.cast === 'BF16') { wasm.encodeBf16(out, x[i], padded); wasm.decodeBf16(x[i], out, padded); }
        if (input.cast === 'F16') { wasm.encodeF16(out, x[i], padded); wasm.decodeF16(x[i], out, padded); }
        if (difference) wasm.scaleDelta(x[i], x[i], x[0], padded, 1);
      });
      const block: Block = {
        wasm, n, padded, first: start + from, index: firstBlock + b, row: pass.row, x, out, params: pass.params, values: values.subarray(b * pass.values, (b + 1) * pass.values), counts: countsAt,
        temporary: (i) => (inputs.length + 1 + i) * slot,
        floats: (address) => new Float32Array(wasm.memory.buffer, address, n),
        words: (address) => new Uint32Array(wasm.memory.buffer, address, n),
      };
      kernel(block as Block<never>);
      if (!output) continue;
      const to = outAt + from * SIZES[output.dtype];
      if (n < padded) new Float32Array(wasm.memory.buffer, out, padded).fill(0, n);
      let most: number;
      if (output.dtype === 'BF16') most = wasm.encodeBf16(to, out, padded);
      else if (output.dtype === 'F16') {
        most = wasm.encodeF16(to, out, padded);
        if (most >= HALF_OVERFLOW && most < INFINITE) {
          const result = block.floats(out);
          for (let i = 0; i < n; i++) if (Math.abs(result[i]) > HALF_MOST) { if (Math.abs(result[i]) >= 65520) clamped++; result[i] = result[i] > 0 ? HALF_MOST : -HALF_MOST; }
          wasm.encodeF16(to, out, padded);
        }
      } else if (output.dtype === 'F64') {
        most = wasm.largestBits(out, padded);
        const view = new DataView(wasm.memory.buffer, to, 8 * n), result = block.floats(out);
        for (let i = 0; i < n; i++) view.setFloat64(8 * i, result[i], true);
      } else {
        most = wasm.largestBits(out, padded);
        memory.copyWithin(to, out, out + 4 * n);
      }
      if (most >= INFINITE) fail({ kind: 'result-not-finite' });
    }
    if (output) write(output.fd, memory.subarray(outAt, outAt + count * SIZES[output.dtype]), output.offset + start * SIZES[output.dtype]);
    return { task, values, clamped, ...(pass.counts > 0 ? { counts: new Uint32Array(wasm.memory.buffer, countsAt, pass.counts).slice() } : {}) };
  };

  const handle = (request: ThreadRequest): ThreadReply | null => {
    switch (request.kind) {
      case 'pass': passes.set(request.pass.id, request.pass); return null;
      case 'end': passes.delete(request.pass); return null;
      case 'chunk': return chunk(request.task, passes.get(request.pass) as PassSetup, request.block, request.blocks);
      case 'copy': {
        if (copyBuffer.length < request.bytes) copyBuffer = new Uint8Array(request.bytes);
        const bytes = copyBuffer.subarray(0, request.bytes);
        read(request.from, bytes, request.fromOffset, 0);
        write(request.to, bytes, request.toOffset);
        return { task: request.task };
      }
      case 'hash': {
        if (copyBuffer.length < request.bytes) copyBuffer = new Uint8Array(request.bytes);
        const bytes = copyBuffer.subarray(0, request.bytes), hash = hashes.get(request.stream) ?? createHash('sha256');
        hashes.set(request.stream, hash);
        read(request.fd, bytes, request.from, 0);
        hash.update(bytes);
        if (!request.last) return { task: request.task };
        hashes.delete(request.stream);
        return { task: request.task, digest: hash.digest('hex') };
      }
    }
  };

  port.on('message', (request: ThreadRequest) => {
    try {
      const reply = handle(request);
      if (reply) port.postMessage(reply);
    } catch (error) {
      const known = (error as { readonly failure?: ThreadFailure }).failure, { code, message } = error as { readonly code?: string; readonly message: string };
      if ('task' in request) port.postMessage({ task: request.task, failure: known ?? { kind: 'error', code: code ?? '', message } } satisfies ThreadReply);
    }
  });
}
