import { hardwareAvailable, type Protection } from '../../src/memory/guest-memory.ts';

/** The protection modes that this host can test. */
export const modes: Protection[] = hardwareAvailable() ? ['hardware', 'software'] : ['software'];
