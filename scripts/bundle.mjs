// Joins the command line's 300 modules into one, after tsc: Node resolves each module by several file accesses, which took two
// thirds of a short run. Packages with native or large code stay outside. The one file is a function body rather than an ES
// module, because only such code can be compiled from a cache on Node 20 (src/cli/start.ts).
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { build } from 'esbuild';

const out = 'dist/src/bin';
const common = {
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  minifySyntax: true,
  minifyWhitespace: true,
  // Short names: 6 ms less at each start, for V8 to look up when it reads its cache.
  minifyIdentifiers: true,
  logLevel: 'warning',
};
rmSync(out, { recursive: true, force: true });
// The entry is no ES module either: for one, Node 20 would load its loader, node:fs/promises and streams, some 10 ms.
await build({
  ...common,
  entryPoints: { tallship: 'dist/src/cli/start.js' },
  outdir: out,
  format: 'cjs',
  define: { 'import.meta.dirname': '__dirname', 'import.meta.filename': '__filename' },
});
writeFileSync(`${out}/package.json`, '{ "type": "commonjs" }\n');
await build({
  ...common,
  entryPoints: { main: 'dist/src/cli/main.js' },
  outdir: out,
  outExtension: { '.js': '.cjs' },
  format: 'cjs',
  alias: { assert: './scripts/assert.cjs' },
  external: ['koffi', 'yargs', 'amaro', 'ws'],
  // import() of code that vm.Script compiled depends on the release of Node; require() of an ES module works in all.
  supported: { 'dynamic-import': false },
  define: { 'import.meta.url': 'bundleUrl' },
  banner: { js: "const bundleUrl = require('node:url').pathToFileURL(__filename).href;" },
});
execFileSync(process.execPath, [`${out}/tallship.js`, 'fixtures/bin/wordcount', 'package.json'], {
  env: { ...process.env, TALLSHIP_WRITE_CODE_CACHE: '1' },
  stdio: ['ignore', 'ignore', 'inherit'],
});
