/**
 * The interpreter is compiled while the command line reads its other modules: 13 ms of a start, where a second processor is
 * idle. V8 goes on from decoding to compiling in a turn of the event loop, so there is one here.
 */
import { compileAhead, targetKey } from '../cpu/interp/ahead.ts';
import { readModule } from '../host/prebuilt.ts';
import { compileWhole } from '../host/v8.ts';
import { defaultProtection } from '../memory/guest-memory.ts';
import { HARDWARE_PLACE, SOFTWARE_PLACE } from '../memory/vm-layout.ts';

/** @param protection what was asked for; absent: to find out makes a memory, of which V8's collector likes to hear early. */
export async function compileInterpreter(protection = defaultProtection()): Promise<void> {
  const key = targetKey({ protection, ...(protection === 'hardware' ? HARDWARE_PLACE : SOFTWARE_PLACE) });
  const bytes = readModule(key);
  if (bytes === undefined) return;
  compileAhead(key, compileWhole(bytes));
  await new Promise((resolve) => setImmediate(resolve));
}
