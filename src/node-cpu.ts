/** Joins the CPU, which knows no Node.js, to what Node.js has for it: V8's flags and the modules of the build. */
import { usePrebuilt } from './cpu/interp/load-module.ts';
import { readPrebuilt } from './host/prebuilt.ts';
import { tuneV8 } from './host/v8.ts';

/** To be called before the first machine is made. */
export function prepareCpu(): void {
  tuneV8();
  usePrebuilt(readPrebuilt);
}
