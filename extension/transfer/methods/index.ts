import type { TransferMethodName } from '../../protocol/transfer';
import type { TransferMethod } from '../types';
import { activationTransport } from './activationTransport';
import { average, averageAsReleased, copy, skip } from './copy';
import { seedExact } from './seedExact';
import { seedFixed } from './seedFixed';

/** Every method, in the order in which they are offered. */
export const METHODS: readonly TransferMethod[] = [activationTransport, seedFixed, seedExact, skip, average, averageAsReleased, copy];

/** The method of a name. */
export function methodOf(name: TransferMethodName): TransferMethod {
  const found = METHODS.find((method) => method.name === name);
  if (!found) throw new RangeError(`no transfer method is called ${name}`);
  return found;
}
