// What elfy needs of node:assert, in the bundle: the real one takes several milliseconds to load.
exports.equal = (actual, expected) => {
  if (actual !== expected) throw new Error(`${actual} is not ${expected}`);
};
