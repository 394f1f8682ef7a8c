// Joins the command line's 300 compiled files into a few: reading and linking them one by one is half of a start.
// dist/src/cli/main.js becomes the bundle; the files themselves stay, for those who import the package.
import { fileURLToPath } from 'node:url';
import { build } from 'rolldown';

const directory = fileURLToPath(new URL('../dist/src/cli/', import.meta.url));
await build({
  input: { main: `${directory}main.js` },
  platform: 'node',
  // Large, seldom needed, or with native parts: loaded from node_modules when asked for.
  external: ['koffi', 'yargs', 'amaro', 'memfs'],
  output: {
    dir: directory,
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: 'bundle-[name].js',
    // Names stay, for stack traces; white space and comments go.
    minify: { mangle: false, compress: false, codegen: { removeWhitespace: true } },
  },
  logLevel: 'warn',
});
