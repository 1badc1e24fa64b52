import type { MergeMethodFacts, MergeMethodName } from '../../protocol/merge';
import type { Kernel } from '../engine/passTypes';
import { arceeFusion } from './arceeFusion';
import { breadcrumbs, breadcrumbsTies } from './breadcrumbs';
import { COMMON_KERNELS } from './common';
import { dareLinear } from './dareLinear';
import { dareTies } from './dareTies';
import { della, dellaLinear } from './della';
import { analogy, negation } from './forget';
import { karcher } from './karcher';
import { linear } from './linear';
import { modelStock } from './modelStock';
import { multislerp } from './multislerp';
import { nearswap } from './nearswap';
import { nuslerp } from './nuslerp';
import { passthrough } from './passthrough';
import { ram } from './ram';
import { sce } from './sce';
import { slerp } from './slerp';
import { taskArithmetic } from './taskArithmetic';
import { ties } from './ties';
import type { MergeMethod } from './types';

const ALL: Readonly<Record<MergeMethodName, MergeMethod>> = {
  linear, task_arithmetic: taskArithmetic, ties, dare_linear: dareLinear, dare_ties: dareTies, breadcrumbs, breadcrumbs_ties: breadcrumbsTies, della, della_linear: dellaLinear, slerp, nuslerp, multislerp, karcher,
  model_stock: modelStock, nearswap, sce, arcee_fusion: arceeFusion, ram, passthrough, negation, analogy,
};

export function mergeMethod(name: MergeMethodName): MergeMethod {
  return ALL[name];
}

/** Every kernel by name, for the threads. */
export const KERNELS: Readonly<Record<string, Kernel>> = Object.assign({}, COMMON_KERNELS, ...Object.values(ALL).map((method) => method.kernels ?? {})) as Readonly<Record<string, Kernel>>;

/** What editors and pages tell about every method; plain data. */
export function methodTable(): readonly MergeMethodFacts[] {
  return Object.values(ALL).map(({ name, title, formula, says, source, base, models, parameters }) => ({ name, title, formula, says, source, base, models, parameters }));
}
