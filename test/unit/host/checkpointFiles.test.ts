import { describe, expect, it } from 'vitest';
import { checkpointOf, classifyFiles, representativeFile } from '../../../extension/host/checkpointFiles';
import { nameOf, samePlace } from '../../../extension/host/paths';

describe('classifyFiles', () => {
  it('finds folders with config and weights, single, sharded, PyTorch and ONNX', () => {
    const found = classifyFiles([
      '/w/a/config.json', '/w/a/model.safetensors',
      '/w/b/config.json', '/w/b/model-00001-of-00002.safetensors', '/w/b/model-00002-of-00002.safetensors', '/w/b/model.safetensors.index.json',
      '/w/c/config.json', '/w/c/pytorch_model.bin',
      '/w/d/config.json', '/w/d/model.onnx',
      '/w/e/config.json',
      '/w/f/config.json', '/w/f/training_args.bin', '/w/f/optimizer.pt',
    ]);
    expect(found).toEqual({ checkpoints: ['/w/a', '/w/b', '/w/c', '/w/d'], files: [], modules: [] });
  });

  it('lists loose weights once per set, and what lies beside a standard set', () => {
    const found = classifyFiles(['/w/lone.safetensors', '/w/x-00001-of-00002.safetensors', '/w/x-00002-of-00002.safetensors', '/w/a/config.json', '/w/a/model.safetensors', '/w/a/other.safetensors', '/w/b/config.json', '/w/b/odd-name.safetensors']);
    expect(found.checkpoints).toEqual(['/w/a', '/w/b']);
    expect(found.files).toEqual(['/w/a/other.safetensors', '/w/lone.safetensors', '/w/x-00001-of-00002.safetensors']);
  });

  it('tells PEFT folders from checkpoints, and sees both in one folder', () => {
    const found = classifyFiles(['/w/lora/adapter_config.json', '/w/lora/adapter_model.safetensors', '/w/both/config.json', '/w/both/model.safetensors', '/w/both/adapter_config.json', '/w/both/adapter_model.bin', '/w/half/adapter_config.json']);
    expect(found).toEqual({ checkpoints: ['/w/both'], files: [], modules: ['/w/both', '/w/lora'] });
  });

  it('works on Windows paths and network shares', () => {
    const found = classifyFiles(['C:\\Modelle\\größe 1\\config.json', 'C:\\Modelle\\größe 1\\model.safetensors', '\\\\server\\share\\m\\lone.safetensors']);
    expect(found.checkpoints).toEqual(['C:\\Modelle\\größe 1']);
    expect(found.files).toEqual(['\\\\server\\share\\m\\lone.safetensors']);
  });

  it('is not fooled by names of prototype members', () => {
    expect(classifyFiles(['/w/__proto__/config.json', '/w/__proto__/model.safetensors', '/w/constructor/lone.safetensors'])).toEqual({ checkpoints: ['/w/__proto__'], files: ['/w/constructor/lone.safetensors'], modules: [] });
  });
});

describe('checkpointOf', () => {
  const files = new Set(['/m/config.json', '/m/model.safetensors', '/m/model.safetensors.index.json', '/m/model-00002-of-00003.safetensors', '/m/other.safetensors', '/n/model.safetensors', 'C:\\m\\config.json', 'C:\\m\\model.safetensors']);
  const isFile = (file: string): boolean => files.has(file);
  it.each([
    ['/m/config.json', '/m'],
    ['/m/model.safetensors', '/m'],
    ['/m/model.safetensors.index.json', '/m'],
    ['/m/model-00002-of-00003.safetensors', '/m'],
    ['/m/other.safetensors', '/m/other.safetensors'],
    ['/n/model.safetensors', '/n/model.safetensors'],
    ['/m', '/m'],
    ['C:\\m\\model.safetensors', 'C:\\m'],
  ])('%s means %s', (clicked, place) => {
    expect(checkpointOf(clicked, isFile)).toBe(place);
  });
});

describe('representativeFile', () => {
  it('prefers the standard file, then the first shard, then any weights', () => {
    expect(representativeFile(['config.json', 'other.safetensors', 'model.safetensors'])).toBe('model.safetensors');
    expect(representativeFile(['model-00002-of-00002.safetensors', 'model-00001-of-00002.safetensors'])).toBe('model-00001-of-00002.safetensors');
    expect(representativeFile(['adapter_config.json', 'adapter_model.safetensors'])).toBe('adapter_model.safetensors');
    expect(representativeFile(['optimizer.pt', 'model.onnx'])).toBe('model.onnx');
    expect(representativeFile(['optimizer.pt', 'config.json'])).toBeNull();
  });
});

describe('paths', () => {
  it('takes the last part of any platform’s path', () => {
    expect(['/a/b', '/a/b/', 'C:\\x\\y', 'C:\\x\\y\\', '\\\\s\\share', '/'].map(nameOf)).toEqual(['b', 'b', 'y', 'y', 'share', '/']);
  });
  it('compares places as the platform does', () => {
    expect(samePlace('C:\\Models\\A', 'c:\\models\\a\\', 'win32')).toBe(true);
    expect(samePlace('/m/a', '/m/a/', 'linux')).toBe(true);
    expect(samePlace('/m/a', '/m/A', 'linux')).toBe(false);
    expect(samePlace('/m/x/../a', '/m/a', 'linux')).toBe(true);
  });
});
