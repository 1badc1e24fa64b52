import { Worker } from 'node:worker_threads';
import { failure } from '../../protocol/errors';
import { KERNELS } from '../methods/index';
import { kernelBytes } from './kernels';
import type { PassSetup, ThreadReply, ThreadRequest } from './passTypes';
import { mergeThread } from './threadCode';

/** Tasks that a thread holds: one that runs and one that waits, so that it never waits for a message. */
const HELD = 2;
/** Bytes of a file that are hashed at once. */
const HASH_BYTES = 8 << 20;
/** Bytes of a file that may wait for hashing before that goes ahead of computing: they are still in the system's cache. */
const HASH_LAG = 64 << 20;

type Task = Exclude<ThreadRequest, { readonly kind: 'pass' | 'end' }>;
type WithoutTask<T> = T extends unknown ? Omit<T, 'task'> : never;
type Waiting = { readonly request: Task; readonly resolve: (reply: ThreadReply) => void; readonly reject: (error: unknown) => void };

/** A file that is hashed from front to back while the merge goes on, as far as `available` allows. */
export interface HashStream {
  readonly fd: number;
  readonly size: number;
  /** Bytes from the front that may be read now. */
  readonly available: () => number;
}

interface Stream extends HashStream { readonly id: number; done: number; running: boolean; readonly resolve: (digest: string) => void; readonly reject: (error: unknown) => void }
interface Member { readonly worker: Worker; held: number; readonly streams: Stream[] }

/** Text of a thread: kernels by name and the code that serves them, so that the engine stays one file. */
function threadText(): string {
  const kernels = Object.entries(KERNELS).map(([name, kernel]) => `${JSON.stringify(name)}: ${methodText(kernel.toString())}`);
  return `
const { parentPort, workerData } = require('node:worker_threads');
const { readSync, writeSync } = require('node:fs');
const { createHash } = require('node:crypto');
const kernels = { ${kernels.join(',\n')} };
(${mergeThread.toString()})({ port: parentPort, module: workerData, kernels, readSync, writeSync, createHash });`;
}

/** A method of an object literal ("name(...) {...}") becomes a function expression. */
function methodText(text: string): string {
  return /^(?:async\s+)?(?:function\b|\(|[A-Za-z_$][\w$]*\s*=>)/.test(text) ? text : `function ${text}`;
}

/** The threads of one merge. Whatever their number and whoever takes a task, results are the same bytes. */
export class MergeThreads {
  private readonly members: Member[] = [];
  private readonly ready: Waiting[] = [];
  private readonly sent = new Map<number, Waiting>();
  private readonly streamOf = new Map<number, Stream>();
  private next = 0;
  private broken: Error | null = null;

  constructor(readonly count: number) {
    const module = new WebAssembly.Module(kernelBytes()), text = threadText();
    for (let i = 0; i < count; i++) {
      const worker = new Worker(text, { eval: true, workerData: module, env: {}, execArgv: [], stderr: true });
      const member: Member = { worker, held: 0, streams: [] };
      worker.on('message', (reply: ThreadReply) => { this.replied(member, reply); });
      worker.on('error', (error) => { this.fail(failure('merge/no-threads', { reason: error.message }, error)); });
      worker.on('exit', (code) => { if (code !== 0) this.fail(failure('merge/no-threads', { reason: `one ended with code ${code}` })); });
      this.members.push(member);
    }
  }

  /** Tasks that wait for a thread. */
  get waiting(): number {
    return this.ready.length;
  }

  /** Tells every thread about a pass, before its chunks. */
  announce(pass: PassSetup): void {
    for (const { worker } of this.members) worker.postMessage({ kind: 'pass', pass } satisfies ThreadRequest);
  }
  forget(pass: number): void {
    for (const { worker } of this.members) worker.postMessage({ kind: 'end', pass } satisfies ThreadRequest);
  }

  run(task: WithoutTask<Task>): Promise<ThreadReply> {
    return new Promise((resolve, reject) => {
      if (this.broken !== null) { reject(this.broken); return; }
      this.ready.push({ request: { ...task, task: this.next++ }, resolve, reject });
      this.pump();
    });
  }

  /** SHA-256 of a file, in hexadecimal, made in the gaps. One thread keeps a file's state. */
  hash(stream: HashStream): Promise<string> {
    return new Promise((resolve, reject) => {
      if (this.broken !== null) { reject(this.broken); return; }
      const load = (member: Member): number => member.streams.reduce((sum, s) => sum + s.size, 0), member = this.members.reduce((a, b) => (load(b) < load(a) ? b : a));
      member.streams.push({ ...stream, id: this.next++, done: 0, running: false, resolve, reject });
      this.pump();
    });
  }

  /** Looks again for work: more of a file may have become available. */
  pump(): void {
    if (this.broken !== null) return;
    for (let given = true; given;) {
      given = false;
      for (const member of this.members) {
        if (member.held >= HELD) continue;
        const stream = this.streamFor(member), urgent = stream !== null && (this.ready.length === 0 || stream.available() - stream.done > HASH_LAG);
        if (urgent && stream) { this.sendHash(member, stream); given = true; }
        else {
          const waiting = this.ready.shift();
          if (!waiting) continue;
          this.send(member, waiting);
          given = true;
        }
      }
    }
  }

  async close(): Promise<void> {
    this.fail(failure('cancelled', { what: 'The merge' }));
    await Promise.all(this.members.map(async ({ worker }) => { worker.removeAllListeners(); await worker.terminate(); }));
  }

  private streamFor(member: Member): Stream | null {
    let best: Stream | null = null, most = 0;
    for (const stream of member.streams) {
      if (stream.running) continue;
      const available = stream.available() - stream.done;
      if (available > most && (available >= HASH_BYTES || stream.available() === stream.size)) [best, most] = [stream, available];
    }
    return best;
  }

  private sendHash(member: Member, stream: Stream): void {
    const bytes = Math.min(HASH_BYTES, stream.available() - stream.done), task = this.next++, last = stream.done + bytes === stream.size;
    stream.running = true;
    this.streamOf.set(task, stream);
    this.send(member, {
      request: { kind: 'hash', task, stream: stream.id, fd: stream.fd, from: stream.done, bytes, last },
      resolve: ({ digest }) => {
        stream.running = false;
        stream.done += bytes;
        if (digest !== undefined) { member.streams.splice(member.streams.indexOf(stream), 1); stream.resolve(digest); }
      },
      reject: stream.reject,
    });
  }

  private send(member: Member, waiting: Waiting): void {
    member.held++;
    this.sent.set(waiting.request.task, waiting);
    member.worker.postMessage(waiting.request);
  }

  private replied(member: Member, reply: ThreadReply): void {
    const waiting = this.sent.get(reply.task);
    if (!waiting) return;
    member.held--;
    this.sent.delete(reply.task);
    waiting.resolve(reply);
    this.pump();
  }

  private fail(error: Error): void {
    if (this.broken !== null) return;
    this.broken = error;
    for (const { reject } of [...this.ready, ...this.sent.values()]) reject(error);
    for (const { streams } of this.members) for (const { reject } of streams) reject(error);
    this.ready.length = 0;
    this.sent.clear();
  }
}
