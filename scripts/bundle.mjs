// Joins the command line's 300 modules into a few files, after tsc: a start then reads these instead (Node resolves each
// module by several file accesses, which took two thirds of a short run). Packages with native or large code stay outside.
import { build } from 'esbuild';

await build({
  entryPoints: { tallship: 'dist/src/cli/main.js' },
  outdir: 'dist/src/bin',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  minifySyntax: true,
  minifyWhitespace: true,
  external: ['koffi', 'yargs', 'amaro'],
  // memfs and elfy are CommonJS: what they require of Node has to be there.
  banner: {
    js: "import { createRequire as bundleRequire } from 'node:module';const require = bundleRequire(import.meta.url);",
  },
  logLevel: 'warning',
});
