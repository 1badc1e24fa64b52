import boundaries from 'eslint-plugin-boundaries';
import tseslint from 'typescript-eslint';

/**
 * What each room may import (ARCHITECTURE.md draws it). "May import X" includes whatever X may import.
 * `report` and `engine` may import every room listed before them.
 */
const DIRECT = {
  protocol: [],
  numerics: [],
  checkpoint: ['protocol', 'numerics'],
  architecture: ['checkpoint'],
  graph: ['architecture'],
  module: ['graph'],
  runtime: ['graph'],
  probe: ['module', 'runtime'],
  partition: ['probe'],
  routing: ['partition'],
  evaluation: ['probe'],
  transfer: ['evaluation'],
  merge: ['evaluation'],
  store: ['checkpoint'],
};
DIRECT.report = Object.keys(DIRECT);
DIRECT.engine = Object.keys(DIRECT);
DIRECT.host = ['protocol'];

/** Rooms of the pages: a page may use `ui`, `render` and the contracts, never another page. */
const PAGE_ROOMS = { render: [], ui: ['render'], page: ['ui', 'render'] };

function reachable(room) {
  const found = new Set();
  const visit = name => DIRECT[name].forEach(next => {
    if (!found.has(next)) {
      found.add(next);
      visit(next);
    }
  });
  visit(room);
  return [...found];
}

const extensionRooms = Object.keys(DIRECT);
const room = name => ({ element: { type: name } });
const rooms = names => ({ element: { types: { anyOf: names } } });

const policies = [
  ...extensionRooms.map(name => ({ from: room(name), allow: { to: rooms([name, ...reachable(name)]) } })),
  ...Object.entries(PAGE_ROOMS).map(([name, others]) => ({ from: room(`webview-${name}`), allow: { to: rooms(['protocol', ...others.map(other => `webview-${other}`)]) } })),
  // A page is its own folder: its files see each other through the captured name.
  { from: room('webview-render'), allow: { to: room('webview-render') } },
  { from: room('webview-ui'), allow: { to: room('webview-ui') } },
  { from: room('webview-page'), allow: { to: { element: { type: 'webview-page', captured: { page: '{{from.element.captured.page}}' } } } } },
  { from: { element: { type: '*' } }, allow: { to: { module: { origin: 'external' } } } },
  { from: { element: { type: '*' } }, allow: { to: { module: { origin: 'core' } } } },
];

/** Packages with one owner. A pattern covers the package's subpaths too. */
const OWNED = [
  { pattern: 'vscode', owners: ['extension/host/**'], why: 'only extension/host may import vscode: everything else must run without VS Code' },
  { pattern: 'onnxruntime-node', owners: ['extension/runtime/**'], why: 'only extension/runtime may import onnxruntime-node: sessions have one owner' },
  { pattern: '@vscode/webview-ui-toolkit', owners: ['webview/ui/**'], why: 'only webview/ui may import the toolkit, so that it stays replaceable' },
  { pattern: 'd3', owners: [], why: 'import the d3 submodule (d3-scale, d3-force, ...): the full bundle is three times larger and holds new Function' },
];

const ownedAs = owners => OWNED.filter(one => !owners.includes(one.pattern)).map(({ pattern, why }) => ({ regex: `^${pattern}(/|$)`, message: why }));
const NO_NODE = [{ regex: '^node:', message: 'this room runs without Node' }];
const restricted = (owners, extra = []) => ['error', { patterns: [...ownedAs(owners), ...extra] }];
const requireText = owners => ['error', ...OWNED.filter(one => !owners.includes(one.pattern)).flatMap(({ pattern, why }) => [
  { selector: `ImportExpression[source.value=/^${pattern.replace('/', '\\u002F')}(\\u002F|$)/]`, message: why },
  { selector: `CallExpression[callee.name='require'][arguments.0.value=/^${pattern.replace('/', '\\u002F')}(\\u002F|$)/]`, message: why },
])];

export default tseslint.config(
  { ignores: ['dist/**', 'out/**', 'node_modules/**', 'media/**', 'test/fixtures/**', 'test/e2e/out/**', 'coverage/**'] },
  {
    files: ['extension/**/*.ts', 'webview/**/*.ts', 'test/**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true }],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/no-require-imports': 'error',
      '@typescript-eslint/no-unsafe-assignment': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true, allowNullish: true }],
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/naming-convention': ['error', { selector: 'interface', format: ['PascalCase'], custom: { regex: '^I[A-Z][a-z]', match: false } }],
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-eval': 'error',
      'no-implied-eval': 'off',
      'no-new-func': 'error',
      'no-var': 'error',
      'prefer-const': 'error',
      'no-restricted-imports': restricted([]),
      'no-restricted-syntax': requireText([]),
      'max-lines': ['error', { max: 400, skipBlankLines: false, skipComments: false }],
    },
  },
  {
    // Contracts, arithmetic and pages run without Node.
    files: ['extension/protocol/**/*.ts', 'extension/numerics/**/*.ts', 'webview/**/*.ts'],
    rules: { 'no-restricted-imports': restricted([], NO_NODE) },
  },
  ...OWNED.filter(one => one.owners.length > 0).map(({ pattern, owners }) => ({
    files: owners,
    rules: { 'no-restricted-imports': restricted([pattern], owners[0].startsWith('webview') ? NO_NODE : []), 'no-restricted-syntax': requireText([pattern]) },
  })),
  {
    files: ['extension/**/*.ts', 'webview/**/*.ts'],
    plugins: { boundaries },
    settings: {
      'boundaries/elements': [
        ...extensionRooms.map(name => ({ type: name, pattern: `extension/${name}`, partialMatch: false })),
        { type: 'webview-ui', pattern: 'webview/ui', partialMatch: false },
        { type: 'webview-render', pattern: 'webview/render', partialMatch: false },
        { type: 'webview-page', pattern: 'webview/!(ui|render)', partialMatch: false, capture: ['page'] },
      ],
      'boundaries/dependency-nodes': ['import', 'dynamic-import', 'export', 'require'],
      'import/resolver': { node: { extensions: ['.ts', '.js', '.css', '.json'] } },
    },
    rules: {
      'boundaries/dependencies': ['error', { default: 'disallow', checkAllOrigins: true, checkInternals: true, policies }],
      'boundaries/no-unknown-files': 'error',
      'boundaries/no-unknown-dependencies': 'error',
    },
  },
  {
    // Scripts: no types there, so only what needs none.
    files: ['**/*.mjs', '**/*.mts'],
    extends: [tseslint.configs.base],
    rules: { 'no-unused-vars': ['error', { argsIgnorePattern: '^_' }], eqeqeq: ['error', 'always', { null: 'ignore' }], 'no-var': 'error', 'prefer-const': 'error', 'no-eval': 'error', 'max-lines': ['error', { max: 400 }] },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/unbound-method': 'off',
      'max-lines': 'off',
    },
  },
);
