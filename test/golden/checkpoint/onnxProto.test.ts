import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import { expect, test } from 'vitest';
import { decodeModel, encodeModel } from '../../../extension/checkpoint/onnxProto';

test('a model that torch exported is written again byte for byte', () => {
  const bytes = readFileSync(path.join(__dirname, '../../fixtures/stories260k/model.onnx'));
  const model = decodeModel(bytes);
  expect(model.graph?.initializer.map(({ name }) => name)).toContain('model.embed_tokens.weight');
  expect(Buffer.compare(encodeModel(model), bytes)).toBe(0);
});
