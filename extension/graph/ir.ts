import type { OpName } from './opTable';

/** Element types that our graphs use. */
export type ElementType = 'float32' | 'float16' | 'bfloat16' | 'float64' | 'int64' | 'int32' | 'uint8' | 'int8' | 'bool';

/** A known size, or the name of a size that the run decides. */
export type Dim = number | string;

export interface Value {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly Dim[];
}

/** Nodes that run only when their branch is taken; they see the values of the graph around them. */
export interface Subgraph {
  readonly nodes: readonly Node[];
  readonly output: Value;
}

export type Attribute = number | string | readonly number[] | { readonly float: number } | { readonly graph: Subgraph };

export interface Node {
  readonly op: OpName;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** Where the bytes of a constant are: in a file, read in place by the runtime, or in the graph itself. */
export type WeightData =
  | { readonly kind: 'file'; readonly file: string; readonly offset: number; readonly bytes: number }
  | { readonly kind: 'inline'; readonly bytes: Uint8Array };

export interface Initializer {
  readonly value: Value;
  readonly data: WeightData;
}

export interface Graph {
  readonly name: string;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly nodes: readonly Node[];
  readonly initializers: readonly Initializer[];
  /**
   * Weights that are stored smaller than they are used (bfloat16, MXFP4) are unpacked in each run and not kept unpacked: those of a mixture would
   * take two to eight times the bytes of their file, and most are not used by most tokens.
   */
  readonly unpackEachRun?: boolean;
}
