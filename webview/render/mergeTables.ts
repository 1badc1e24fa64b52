import type { MergePlanDocument } from '../../extension/protocol/merge';
import type { MergeInspectDocument } from '../../extension/protocol/mergeInspect';
import { type DeltaRow, lostRows, MEASURE_WORDS, type PairMatrix, PART_WORDS, type PartMap } from './mergeData';
import type { Cell, DataTable } from './table';

const NULL_NOTE = 'Null: the same differences with the signs of whole rows turned at random; two-sided p.';

export function deltaTable(rows: readonly DeltaRow[], { models }: MergeInspectDocument): DataTable {
  return { id: 'delta', title: 'How far each moved', note: 'Norm of the difference from the base over the norm of the base, 1 = 100\u202f%.', columns: ['layer', ...models.map(({ name }) => name)], rows: rows.map(({ name, moved }): Cell[] => [name, ...moved]) };
}

export function pairsTable(matrices: readonly PairMatrix[], { models }: MergeInspectDocument): DataTable {
  return {
    id: 'pairs', title: 'Pairs', note: `Cosine of the differences from the base, and share of elements that both change with opposite signs. ${NULL_NOTE}`,
    columns: ['layers', 'part', 'first', 'second', 'cosine', 'opposite signs'],
    rows: matrices.flatMap(({ group, part, pairs }) => pairs.map(({ a, b, cosine, conflict }): Cell[] => [group.name, PART_WORDS[part], models[a]?.name ?? '', models[b]?.name ?? '', cosine, conflict])),
  };
}

export function lostTable(document: MergeInspectDocument): DataTable {
  return { id: 'lost', title: 'Lost to rounding', note: `Share of the changed elements that ${document.dtype} puts back to the base\u2019s value at weight ${document.weight}.`, columns: ['model', 'lost', 'changed elements', 'elements'], rows: lostRows(document).map(({ name, share, changed, elements }): Cell[] => [name, share, changed, elements]) };
}

export function partsTable(map: PartMap): DataTable {
  return { id: 'parts', title: `Layers by parts: ${MEASURE_WORDS[map.measure]}, ${map.about}`, note: map.rows.some(({ cells }) => cells.some(({ score }) => score)) ? NULL_NOTE : 'Shares: 1 = 100\u202f%.', columns: ['layer', ...map.parts.map((part) => PART_WORDS[part])], rows: map.rows.map(({ name, cells }): Cell[] => [name, ...cells.map(({ value, score }) => score ?? value)]) };
}

export function alignmentTable({ alignment, models }: MergeInspectDocument): DataTable {
  const rows: Cell[][] = models.map(({ name, parameters, bytes, dtype }, m) => [name, parameters, bytes, dtype, alignment.vocabularyRows[m] ?? null, alignment.tiedHeads[m] === null ? '' : alignment.tiedHeads[m] ? 'tied' : 'own', alignment.missing.find(({ model }) => model === m)?.count ?? 0]);
  return { id: 'models', title: 'Models', note: `${alignment.aligned} of ${alignment.tensors} tensors are there in all models with one shape.`, columns: ['model', 'parameters', 'bytes', 'dtype', 'vocabulary rows', 'head', 'tensors missing'], rows };
}

export function planTable(plan: MergePlanDocument): DataTable {
  return { id: 'plan', title: 'What would be written', note: `${plan.formula}. Nothing is written before you merge.`, columns: ['file', 'bytes', 'tensors'], rows: plan.outputs.map(({ file, bytes, tensors }): Cell[] => [file, bytes, tensors]) };
}

export function inputsTable(plan: MergePlanDocument): DataTable {
  return { id: 'inputs', title: 'Inputs', note: 'What the recipe names, and where it was found.', columns: ['reference', 'role', 'path', 'bytes'], rows: plan.inputs.map(({ reference, role, path, files }): Cell[] => [reference, role, path, files.reduce((sum, { bytes }) => sum + bytes, 0)]) };
}
