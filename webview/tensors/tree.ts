import type { TensorEntry } from '../../extension/protocol/documents';

/** A line of the tree: a group of tensors or one tensor. */
export interface TreeNode {
  /** What is written: one or more parts of the module path, joined where a group has one child only. */
  readonly name: string;
  /** The whole path. */
  readonly path: string;
  /** Index into the tensors, or -1 for a group. */
  readonly tensor: number;
  readonly children: readonly TreeNode[];
  readonly tensors: number;
  readonly bytes: number;
  /** How many children there are where all are numbered groups with the same names, dtypes and shapes below; else 0. */
  readonly alike: number;
}

/** A group while names are read: what it holds in file order, and sums that need no second pass. */
interface Group {
  readonly part: string;
  readonly inner: (Group | number)[];
  byPart: Map<string, Group> | null;
  tensors: number;
  bytes: number;
  signature: number;
}

/**
 * Groups tensors by the parts of their names between dots, in file order; numbered children in numeric order. One pass
 * over the names, starting where a name differs from the one before; nodes are made when they are first looked at.
 */
export function buildTree(tensors: readonly TensorEntry[]): readonly TreeNode[] {
  const root = newGroup('');
  const groups: Group[] = [root];
  /** Where the prefix of each group of the stack ends in the name before. */
  const ends: number[] = [0];
  let before = '';
  for (let index = 0; index < tensors.length; index++) {
    const tensor = tensors[index];
    if (!tensor) continue;
    const { name } = tensor;
    const shared = sharedPrefix(before, name);
    while (groups.length > 1 && (ends[groups.length - 1] ?? 0) > shared) {
      groups.pop();
      ends.pop();
    }
    for (let from = ends[groups.length - 1] ?? 0; ; ) {
      const dot = name.indexOf('.', from);
      if (dot < 0) break;
      const group = childGroup(groups[groups.length - 1] ?? root, name.slice(from, dot));
      from = dot + 1;
      groups.push(group);
      ends.push(from);
    }
    (groups[groups.length - 1] ?? root).inner.push(index);
    addUp(groups, ends, tensor);
    before = name;
  }
  return childrenOf(root, '', tensors);
}

function newGroup(part: string): Group {
  return { part, inner: [], byPart: null, tensors: 0, bytes: 0, signature: 0 };
}

function childGroup(parent: Group, part: string): Group {
  parent.byPart ??= new Map();
  let child = parent.byPart.get(part);
  if (!child) {
    child = newGroup(part);
    parent.byPart.set(part, child);
    parent.inner.push(child);
  }
  return child;
}

/** Length of the common beginning. */
function sharedPrefix(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  let i = 0;
  while (i < length && a.charCodeAt(i) === b.charCodeAt(i)) i++;
  return i;
}

/** Adds a tensor to all groups around it: count, bytes, and a hash of what it is called below that group, its dtype and its shape. */
function addUp(groups: readonly Group[], ends: readonly number[], tensor: TensorEntry): void {
  const { name } = tensor;
  let hash = tensor.dtype.length;
  for (const size of tensor.shape) hash = (Math.imul(hash, 31) + size) | 0;
  for (let i = 0; i < tensor.dtype.length; i++) hash = (Math.imul(hash, 31) + tensor.dtype.charCodeAt(i)) | 0;
  let at = name.length;
  for (let depth = groups.length - 1; depth >= 0; depth--) {
    const group = groups[depth];
    const end = ends[depth] ?? 0;
    while (at > end) hash = (Math.imul(hash, 31) + name.charCodeAt(--at)) | 0;
    if (!group) continue;
    group.tensors++;
    group.bytes += tensor.bytes;
    group.signature = (group.signature + Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)) | 0;
  }
}

/** The nodes below a group; each makes its own children when asked. */
function childrenOf(group: Group, prefix: string, tensors: readonly TensorEntry[]): readonly TreeNode[] {
  const nodes = group.inner.map((child) => nodeOf(child, prefix, tensors));
  if (nodes.length > 1 && nodes.every((node) => isNumber(node.name))) nodes.sort((a, b) => Number(a.name) - Number(b.name));
  return nodes;
}

function nodeOf(child: Group | number, prefix: string, tensors: readonly TensorEntry[]): TreeNode {
  if (typeof child === 'number') return leafOf(child, tensors, prefix);
  let group = child;
  let path = prefix + group.part;
  // A group with one child is written together with it.
  while (group.inner.length === 1 && !isNumber(group.part)) {
    const [only] = group.inner;
    if (only === undefined) break;
    if (typeof only === 'number') return leafOf(only, tensors, prefix);
    if (isNumber(only.part)) break;
    group = only;
    path += `.${group.part}`;
  }
  return new GroupNode(path.slice(prefix.length), path, group, tensors);
}

function leafOf(tensor: number, tensors: readonly TensorEntry[], shownAfter: string): TreeNode {
  const entry = tensors[tensor];
  const path = entry?.name ?? '';
  return { name: path.slice(shownAfter.length), path, tensor, children: [], tensors: 1, bytes: entry?.bytes ?? 0, alike: 0 };
}

class GroupNode implements TreeNode {
  readonly tensor = -1;
  readonly tensors: number;
  readonly bytes: number;
  #children: readonly TreeNode[] | null = null;
  #alike = -1;

  constructor(readonly name: string, readonly path: string, private readonly group: Group, private readonly entries: readonly TensorEntry[]) {
    this.tensors = group.tensors;
    this.bytes = group.bytes;
  }

  get children(): readonly TreeNode[] {
    return (this.#children ??= childrenOf(this.group, `${this.path}.`, this.entries));
  }

  get alike(): number {
    if (this.#alike < 0) {
      const { inner } = this.group;
      const [first] = inner;
      const same = inner.length > 1 && typeof first === 'object' && inner.every((child) => typeof child === 'object' && isNumber(child.part) && child.signature === first.signature && child.tensors === first.tensors);
      this.#alike = same ? inner.length : 0;
    }
    return this.#alike;
  }
}

function isNumber(part: string): boolean {
  if (part.length === 0 || part.length > 9) return false;
  for (let i = 0; i < part.length; i++) {
    const code = part.charCodeAt(i);
    if (code < 48 || code > 57) return false;
  }
  return true;
}

/** A visible line. */
export interface Line {
  readonly node: TreeNode;
  readonly depth: number;
}

/** The lines that are visible when these groups (by path) are open. */
export function visibleLines(roots: readonly TreeNode[], open: ReadonlySet<string>): readonly Line[] {
  const lines: Line[] = [];
  const walk = (nodes: readonly TreeNode[], depth: number): void => {
    for (const node of nodes) {
      lines.push({ node, depth });
      if (node.tensor < 0 && open.has(node.path)) walk(node.children, depth + 1);
    }
  };
  walk(roots, 0);
  return lines;
}

/** Groups to open at first: all of a small file; else the outer ones and the way to the first layer. */
export function firstOpen(roots: readonly TreeNode[], lines: number): Set<string> {
  const open = new Set<string>();
  let shown = roots.length;
  let level: readonly TreeNode[] = roots;
  while (level.length > 0) {
    const next: TreeNode[] = [];
    for (const node of level) {
      if (node.tensor >= 0 || shown + node.children.length > lines) continue;
      open.add(node.path);
      shown += node.children.length;
      next.push(...(node.alike > 0 ? node.children.slice(0, 1) : node.children));
    }
    level = next;
  }
  return open;
}

/** Paths of the groups around a tensor, outermost first; empty when it is not in the tree. */
export function groupsAround(roots: readonly TreeNode[], name: string): readonly string[] {
  const groups: string[] = [];
  let level = roots;
  for (;;) {
    const node = level.find((candidate) => candidate.path === name || (candidate.tensor < 0 && name.startsWith(`${candidate.path}.`)));
    if (!node) return [];
    if (node.tensor >= 0) return groups;
    groups.push(node.path);
    level = node.children;
  }
}
