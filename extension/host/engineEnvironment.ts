/** Variables that belong to the extension host and would harm a child (debugger injection, the host's own sockets). */
const DROPPED = ['NODE_OPTIONS', 'NODE_V8_COVERAGE', 'VSCODE_IPC_HOOK_CLI', 'VSCODE_INSPECTOR_OPTIONS', 'VSCODE_ESM_ENTRYPOINT'];

/** Overrides the Vulkan driver where no setting is given: tests name a software driver with it. */
export const VULKAN_DRIVER_VARIABLE = 'MODULENS_VK_ICD';

/**
 * Environment of the engine process: the host's without what is meant for the host alone, run as plain Node, with the
 * Vulkan driver file that the user chose (WebGPU needs one; the loader finds it by itself on most machines).
 */
export function engineEnvironment(base: NodeJS.ProcessEnv, vulkanDriver: string): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { ...base, ELECTRON_RUN_AS_NODE: '1' };
  for (const name of DROPPED) delete env[name];
  const driver = vulkanDriver || base[VULKAN_DRIVER_VARIABLE];
  if (driver) env.VK_ICD_FILENAMES = driver;
  return env;
}
