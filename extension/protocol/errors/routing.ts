import { define, EXIT } from './define';

/** Routers, traces and adapter libraries: the `routing/` room. */
export const routingErrors = {
  'routing/gone': define<{ key: string }>(EXIT.cannot, () => 'This routing trace is no longer kept. Show the routing again.'),
  'routing/empty': define<Record<string, never>>(EXIT.input, () => 'There is no text to route. Write something first, or choose a file that holds text.'),
  'routing/no-router': define<{ path: string; router: string; reason: string }>(EXIT.cannot, (a) => `The router ${a.router} cannot be used on ${a.path}: ${a.reason}.`),
  'routing/library': define<{ path: string; reason: string }>(EXIT.input, (a) => `${a.path} cannot be routed: ${a.reason}.`),
  'routing/import': define<{ file: string; reason: string }>(EXIT.input, (a) => `${a.file} is not a routing trace that can be read: ${a.reason}.`),
} as const;
