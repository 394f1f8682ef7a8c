// Preloaded: makes koffi look as on a platform that it has no binary for.
const Module = require('node:module');
const load = Module._load;
Module._load = function (request, ...rest) {
  if (request === 'koffi') throw new Error('no koffi here');
  return load.call(this, request, ...rest);
};
// Nor is there a binary to load by itself (src/host/koffi.ts).
const { dlopen } = process;
process.dlopen = (module, file, ...rest) => {
  if (file.endsWith('koffi.node')) throw new Error('no koffi here');
  return dlopen.call(process, module, file, ...rest);
};
