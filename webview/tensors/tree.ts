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
  /** Equal for groups of the same shape: names, shapes and dtypes below, not the own name. */
  readonly signature: number;
  /** "1 024 alike, 3 tensors each" where all children are numbered and of one shape. */
  readonly alike: number;
}

interface Growing {
  readonly part: string;
  tensor: number;
  children: Map<string, Growing> | null;
}

/** Groups tensors by the parts of their names between dots, in file order; numbered children in numeric order. Linear in the number of tensors. */
export function buildTree(tensors: readonly TensorEntry[]): readonly TreeNode[] {
  const root: Growing = { part: '', tensor: -1, children: new Map() };
  for (let index = 0; index < tensors.length; index++) {
    let at = root;
    const name = tensors[index]?.name ?? '';
    let from = 0;
    for (;;) {
      const dot = name.indexOf('.', from);
      const part = dot < 0 ? name.slice(from) : name.slice(from, dot);
      const last = dot < 0;
      // A tensor and a group may share a name; the tensor then gets a key that no part can have.
      const key = last ? `${part}.` : part;
      at.children ??= new Map();
      let child = at.children.get(key);
      if (!child) {
        child = { part, tensor: -1, children: null };
        at.children.set(key, child);
      }
      at = child;
      if (last) break;
      from = dot + 1;
    }
    at.tensor = index;
  }
  return finish(root, '', tensors);
}

function finish(group: Growing, prefix: string, tensors: readonly TensorEntry[]): readonly TreeNode[] {
  const children = [...(group.children?.values() ?? [])];
  if (children.length > 1 && children.every((child) => isNumber(child.part))) children.sort((a, b) => Number(a.part) - Number(b.part));
  return children.map((child) => nodeOf(child, prefix, tensors));
}

function nodeOf(growing: Growing, prefix: string, tensors: readonly TensorEntry[]): TreeNode {
  let name = growing.part;
  let at = growing;
  // A group with one child is written together with it.
  while (at.tensor < 0 && at.children?.size === 1 && !isNumber(at.part)) {
    const [only] = at.children.values();
    if (!only || isNumber(only.part)) break;
    at = only;
    name += `.${at.part}`;
  }
  const path = prefix === '' ? name : `${prefix}.${name}`;
  if (at.tensor >= 0) {
    const entry = tensors[at.tensor];
    return { name, path, tensor: at.tensor, children: [], tensors: 1, bytes: entry?.bytes ?? 0, signature: hash(`${entry?.dtype} ${entry?.shape.join(' ')}`), alike: 0 };
  }
  const children = finish(at, path, tensors);
  let count = 0;
  let bytes = 0;
  let signature = 17;
  for (const child of children) {
    count += child.tensors;
    bytes += child.bytes;
    signature = (Math.imul(signature, 31) + (child.signature ^ hash(child.name))) | 0;
  }
  const first = children[0];
  const alike = first && children.length > 1 && first.tensor < 0 && children.every((child) => isNumber(child.name) && child.signature === first.signature) ? children.length : 0;
  return { name, path, tensor: -1, children, tensors: count, bytes, signature, alike };
}

function isNumber(part: string): boolean {
  return /^\d{1,9}$/.test(part);
}

function hash(text: string): number {
  let h = 7;
  for (let i = 0; i < text.length; i++) h = (Math.imul(h, 31) + text.charCodeAt(i)) | 0;
  return h;
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
      next.push(...node.children);
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
