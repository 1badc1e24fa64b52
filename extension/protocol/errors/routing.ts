import { define, EXIT } from './define';

/** Routers, traces and adapter libraries: the `routing/` room. */
export const routingErrors = {
  'routing/gone': define<{ key: string }>(EXIT.cannot, () => 'This routing trace is no longer kept. Show the routing again.'),
  'routing/empty': define<Record<string, never>>(EXIT.input, () => 'There is no text to route. Write something first, or choose a file that holds text.'),
  'routing/no-router': define<{ path: string; router: string; reason: string }>(EXIT.cannot, (a) => `The router ${a.router} cannot be used on ${a.path}: ${a.reason}.`),
  'routing/library': define<{ path: string; reason: string }>(EXIT.input, (a) => `${a.path} cannot be routed: ${a.reason}.`),
  'routing/no-comparison': define<{ a: string; b: string; reason: string }>(EXIT.cannot, (a) => `${a.a} and ${a.b} cannot be compared: ${a.reason}.`),
  'routing/what-if': define<{ reason: string }>(EXIT.usage, (a) => `This what-if cannot be routed: ${a.reason}.`),
  'routing/hidden': define<{ file: string; reason: string }>(EXIT.input, (a) => `${a.file} holds no hidden states that can be routed: ${a.reason}.`),
  'routing/router-only': define<{ path: string; family: string; sites: string }>(EXIT.cannot, (a) => `${a.path} can be routed by its routers only: this family\u2019s attention (${a.family}) is not built yet. Record what its routers read with other software, as float32 [tokens, width] under the names ${a.sites} in one .safetensors file, and give it: modulens route --router native --hidden FILE.`),
  'routing/import': define<{ file: string; reason: string }>(EXIT.input, (a) => `${a.file} is not a routing trace that can be read: ${a.reason}.`),
  'routing/binary': define<{ name: string }>(EXIT.input, (a) => `${a.name} holds bytes that are no text (a zero byte), so there are no tokens to route. Open a text file, or choose an encoding with "Reopen with Encoding".`),
  'routing/no-editor': define<Record<string, never>>(EXIT.usage, () => 'There is no text editor to show routing in. Open a text first, for example a .txt, .md or .jsonl file, or a notebook cell.'),
  'routing/no-token': define<Record<string, never>>(EXIT.usage, () => 'The cursor is not on a token whose routing is known. Put it on coloured text and try again.'),
  'routing/no-pins': define<Record<string, never>>(EXIT.usage, () => 'No token is pinned. Put the cursor on a token and choose "Modulens: Pin Token" first.'),
} as const;
