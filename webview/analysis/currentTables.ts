import type { DataTable } from '../render/table';
import type { PageContext } from './context';
import { tablesOf } from './tables';

/** The tables behind what the page shows at this moment. */
export function currentTables(context: PageContext): readonly DataTable[] {
  const { model } = context;
  const picture = model.picture;
  const expert = model.shownExpert;
  const detail = expert === null ? null : model.detail(expert);
  const ablation = expert === null ? null : model.ablation(expert);
  return tablesOf(model.head, model.results, picture?.state === 'ready' ? picture.value : null, model.labels, detail?.state === 'ready' ? detail.value : null, ablation?.state === 'ready' ? ablation.value : null);
}
