/** Everything a file of syscalls/ needs: `import { syscall, file, outBuf, size } from '../src/syscall/index.ts'`. */
export { type Arg, hex, quote, Refusal, type Words } from './arg.ts';
export { inBuf, iovecIn, iovecOut, outBuf, stringArray } from './buffers.ts';
export { Change } from './change.ts';
export { compileSelection, SelectionError, selects } from './classes.ts';
export {
  type Events,
  type Hook,
  type Hooks,
  type Layer,
  type LayeredCall,
  type LayerOptions,
  layer,
  layersFor,
  type State,
} from './layer.ts';
export { LayerStack, type Place } from './layer-stack.ts';
export { byName, type Multiplexer, multiplexer } from './multiplexer.ts';
export { anyFile, cstring, file, optionalPath, path } from './paths.ts';
export {
  choice,
  dirfd,
  fd,
  flags,
  int,
  loff,
  long,
  mode,
  offsetHighLow,
  pointer,
  showFlags,
  signalNumber,
  size,
  u64pair,
  uint,
} from './scalars.ts';
export { pathMatcher, type Scope, scoped } from './scope.ts';
export {
  inOutStruct,
  inStruct,
  Out,
  optionalIn,
  optionalOut,
  outStruct,
  readValue,
  structArray,
  writeValue,
} from './structs.ts';
export { alias, type Declaration, refused, syscall } from './syscall.ts';
export { type Circumstances, type Trial, trierFor } from './try-layer.ts';
