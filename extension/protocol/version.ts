/** Replaced by the build (esbuild `define`); tests run with the fallback. */
declare const __MODULENS_VERSION__: string | undefined;
declare const __MODULENS_BUILD__: string | undefined;

export const VERSION: string = typeof __MODULENS_VERSION__ === 'string' ? __MODULENS_VERSION__ : '0.0.0-dev';
/** Identifies one build: host and engine refuse each other when it differs. */
export const BUILD_ID: string = typeof __MODULENS_BUILD__ === 'string' ? __MODULENS_BUILD__ : 'dev';
