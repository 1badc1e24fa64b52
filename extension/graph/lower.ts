import path from 'node:path';
import { encodeModel, externalTensor, floatAttribute, graphAttribute, inlineTensor, intAttribute, intsAttribute, stringAttribute, tensorValue } from '../checkpoint/onnxProto';
import type { OnnxAttribute, OnnxNode, OnnxTensor } from '../checkpoint/onnxTypes';
import { TYPE_CODES } from './builder';
import type { Attribute, Graph, Initializer, Node, Value } from './ir';
import { IR_VERSION, OPS, OPSET } from './opTable';
import { readFileRange } from './fileRange';

/** A graph as ONNX bytes; weights that lie in `folder` are named by file and offset and stay where they are. */
export interface LoweredGraph {
  readonly bytes: Uint8Array;
  /** Real path of the one folder that external weights come from; null where there are none. */
  readonly folder: string | null;
  /** Bytes of all weights, in place and inline. */
  readonly weightBytes: number;
}

/** Smaller constants are copied into the model: a mapping each would cost more. */
const INLINE_LIMIT = 1024;

/** Lowers the typed graph to ONNX bytes. One session has one folder: weights that lie elsewhere are copied inline. */
export function lowerGraph(graph: Graph): LoweredGraph {
  const folder = mainFolder(graph.initializers);
  let weightBytes = 0;
  const initializer = graph.initializers.map(({ value, data }): OnnxTensor => {
    const dims = value.shape.map(Number), type = TYPE_CODES[value.type];
    if (data.kind === 'inline') {
      weightBytes += data.bytes.byteLength;
      return inlineTensor(value.name, type, dims, data.bytes);
    }
    weightBytes += data.bytes;
    if (data.bytes > INLINE_LIMIT && path.dirname(data.file) === folder) return externalTensor(value.name, type, dims, path.basename(data.file), data.offset, data.bytes);
    return inlineTensor(value.name, type, dims, readFileRange(data.file, data.offset, data.bytes));
  });
  const info = (value: Value) => tensorValue(value.name, TYPE_CODES[value.type], value.shape);
  const domains = new Set(graph.nodes.map((node) => OPS[node.op].domain));
  const bytes = encodeModel({
    irVersion: IR_VERSION, producerName: 'modulens',
    opsetImport: [{ domain: '', version: OPSET }, ...([...domains] as string[]).filter((d) => d !== '').map((domain) => ({ domain, version: 1 }))],
    graph: {
      name: graph.name, initializer, input: graph.inputs.map(info), output: graph.outputs.map(info),
      node: lowerNodes(graph.name, graph.nodes),
    },
  });
  return { bytes, folder, weightBytes };
}

function lowerNodes(graph: string, nodes: readonly Node[]): readonly OnnxNode[] {
  return nodes.map((node, i) => ({ opType: node.op, domain: OPS[node.op].domain, name: `${graph}/${node.op}_${i}`, input: node.inputs, output: node.outputs, attribute: Object.entries(node.attributes).map(([name, value]) => attribute(name, value, `${graph}/${node.op}_${i}`)) }));
}

function attribute(name: string, value: Attribute, owner: string): OnnxAttribute {
  if (typeof value === 'number') return intAttribute(name, value);
  if (typeof value === 'string') return stringAttribute(name, value);
  if ('float' in value) return floatAttribute(name, value.float);
  if ('graph' in value) {
    const { nodes, output } = value.graph, inside = `${owner}.${name}`;
    return graphAttribute(name, { name: inside, node: lowerNodes(inside, nodes), initializer: [], input: [], output: [tensorValue(output.name, TYPE_CODES[output.type], output.shape)] });
  }
  return intsAttribute(name, value);
}

/** The folder that most in-place bytes lie in. */
function mainFolder(initializers: readonly Initializer[]): string | null {
  const sums = new Map<string, number>();
  for (const { data } of initializers) if (data.kind === 'file' && data.bytes > INLINE_LIMIT) sums.set(path.dirname(data.file), (sums.get(path.dirname(data.file)) ?? 0) + data.bytes);
  let best: string | null = null;
  for (const [folder, sum] of sums) if (best === null || sum > (sums.get(best) ?? 0)) best = folder;
  return best;
}
