export { planTransfer } from './plan';
export { runTransfer } from './run';
export { METHODS, methodOf } from './methods/index';
