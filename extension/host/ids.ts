import type { DeviceChoice, PartitionMethod } from '../protocol/documents';

/** Every command of the extension. package.json declares exactly these (a test compares). */
export const COMMANDS = {
  analyze: 'modulens.analyze',
  analyzeWithOptions: 'modulens.analyzeWithOptions',
  openCheckpoint: 'modulens.openCheckpoint',
  inspectTensors: 'modulens.inspectTensors',
  cancelAnalysis: 'modulens.cancelAnalysis',
  clearCache: 'modulens.clearCache',
  showLog: 'modulens.showLog',
  restartEngine: 'modulens.restartEngine',
  chooseDevice: 'modulens.chooseDevice',
  openSample: 'modulens.openSample',
  refreshView: 'modulens.refreshView',
  copyPath: 'modulens.copyPath',
  reveal: 'modulens.reveal',
  showRouting: 'modulens.showRouting',
  clearRouting: 'modulens.clearRouting',
  chooseRouting: 'modulens.chooseRouting',
  previousRoutingLayer: 'modulens.previousRoutingLayer',
  nextRoutingLayer: 'modulens.nextRoutingLayer',
  previousSwitch: 'modulens.previousSwitch',
  nextSwitch: 'modulens.nextSwitch',
  describeRouting: 'modulens.describeRouting',
  pinToken: 'modulens.pinToken',
  comparePinned: 'modulens.comparePinned',
  openRouting: 'modulens.openRouting',
  whyExpert: 'modulens.whyExpert',
  muteExpert: 'modulens.muteExpert',
  forceExpert: 'modulens.forceExpert',
  whatIfTemperature: 'modulens.whatIfTemperature',
  resetWhatIf: 'modulens.resetWhatIf',
  checkRecipe: 'modulens.checkRecipe',
  previewMerge: 'modulens.previewMerge',
  merge: 'modulens.merge',
  compareForMerging: 'modulens.compareForMerging',
  transferModule: 'modulens.transferModule',
  showTransferReport: 'modulens.showTransferReport',
} as const;
export type CommandId = (typeof COMMANDS)[keyof typeof COMMANDS];

/** Settings with the type of their value; package.json declares type, default and scope. */
export interface SettingTypes {
  'modulens.device': DeviceChoice;
  'modulens.threads': number;
  'modulens.cacheSizeMB': number;
  'modulens.vulkanDriver': string;
  'modulens.probeFile': string;
  'modulens.method': PartitionMethod;
  'modulens.experts': number;
  'modulens.topK': number;
  'modulens.seed': number;
  'modulens.routingSummary': 'cursorLine' | 'allVisible' | 'off';
  'modulens.routingCodeLens': boolean;
}
export type SettingId = keyof SettingTypes;

/** Scope of each setting: what names files outside the workspace or steers native code belongs to the machine. */
export const SETTING_SCOPES: Readonly<Record<SettingId, 'machine' | 'resource'>> = {
  'modulens.device': 'machine',
  'modulens.threads': 'machine',
  'modulens.cacheSizeMB': 'machine',
  'modulens.vulkanDriver': 'machine',
  'modulens.probeFile': 'resource',
  'modulens.method': 'resource',
  'modulens.experts': 'resource',
  'modulens.topK': 'resource',
  'modulens.seed': 'resource',
  'modulens.routingSummary': 'resource',
  'modulens.routingCodeLens': 'resource',
};

/** A change of one of these reaches the engine only through a restart. */
export const ENGINE_SETTINGS = ['modulens.device', 'modulens.threads', 'modulens.cacheSizeMB', 'modulens.vulkanDriver'] as const satisfies readonly SettingId[];

/** Context keys with the type of their value, for `when` clauses. */
export interface ContextTypes {
  /** Paths of folders that hold a whole checkpoint, for `resourcePath in` and `resourceDirname in`. */
  'modulens.checkpointFolders': readonly string[];
  'modulens.analysisRunning': boolean;
  /** The view has looked at the workspace at least once (before that the welcome text would be premature). */
  'modulens.scanned': boolean;
  /** The active text editor shows routing. */
  'modulens.routingActive': boolean;
  /** Paths of folders that hold a PEFT module. */
  'modulens.moduleFolders': readonly string[];
  /** The active text editor holds a merge recipe. */
  'modulens.recipeActive': boolean;
}
export const CONTEXT_KEYS = ['modulens.checkpointFolders', 'modulens.analysisRunning', 'modulens.scanned', 'modulens.routingActive', 'modulens.moduleFolders', 'modulens.recipeActive'] as const satisfies readonly (keyof ContextTypes)[];

export const VIEW_CONTAINER = 'modulens';
export const CHECKPOINTS_VIEW = 'modulens.checkpoints';
/** Opens .safetensors files by default. */
export const TENSORS_EDITOR = 'modulens.tensors';
/** The same editor for files that others may open too; offered under "Reopen Editor With". */
export const TENSORS_EDITOR_OPTION = 'modulens.tensorsOther';
export const ANALYSIS_PANEL = 'modulens.analysis';
export const ROUTING_PANEL = 'modulens.routing';
export const TRANSFER_PANEL = 'modulens.transfer';
export const MERGE_PANEL = 'modulens.mergeInspector';
/** Languages that "Show routing" is offered on; the command works on any text. */
export const ROUTING_LANGUAGES = ['plaintext', 'markdown', 'jsonl', 'jsonlines', 'json-lines'] as const;
export const WALKTHROUGH = 'start';

/** Kinds of tree items, for `viewItem` in menus. */
export const ITEM_KINDS = { checkpoint: 'checkpoint', file: 'weightsFile', module: 'module' } as const;
export type ItemKind = (typeof ITEM_KINDS)[keyof typeof ITEM_KINDS];

/** Folder of the bundled sample below the extension's own folder. */
export const SAMPLE_FOLDER = ['media', 'sample', 'modulens-sample'] as const;
/** Folder of all samples, and the modules in it. */
export const SAMPLE_ROOT = ['media', 'sample'] as const;
export const SAMPLE_MODULES = ['lora-banking', 'lora-dutch'] as const;
