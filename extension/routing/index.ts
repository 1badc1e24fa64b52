import type { RouterName } from '../protocol/routing';
import { arrowRouter } from './routers/arrow';
import { avgKRouter } from './routers/avgK';
import { nativeRouter } from './routers/native';
import { oracleRouter } from './routers/oracle';
import { randomRouter } from './routers/random';
import { similarityRouter } from './routers/similarity';
import type { Router } from './types';

/** Every router that can be run, in the order in which menus list them. */
const ALL: readonly Router[] = [avgKRouter, similarityRouter, oracleRouter, randomRouter, nativeRouter, arrowRouter];

/** Routers by name. */
export const routers: ReadonlyMap<RouterName, Router> = new Map(ALL.map((router) => [router.name, router]));

/** Routers over the experts that a dense layer's neurons are split into. */
export const EMERGENT: ReadonlySet<RouterName> = new Set(['avg-k', 'similarity', 'oracle', 'random']);
