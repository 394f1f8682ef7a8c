// Preloaded: makes koffi look as on a platform that it has no binary for.
const Module = require('node:module');
const load = Module._load;
Module._load = function (request, ...rest) {
  if (request === 'koffi') throw new Error('no koffi here');
  return load.call(this, request, ...rest);
};
