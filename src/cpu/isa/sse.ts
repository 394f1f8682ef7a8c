/** All SSE levels; each instruction's options name its own. */
import type { Insn } from './insn.ts';
import { mmxTwins } from './mmx.ts';
import { arithmetic } from './sse-arith.ts';
import { compares } from './sse-compare.ts';
import { conversions } from './sse-convert.ts';
import { packedConversions } from './sse-convert-packed.ts';
import { moves } from './sse-move.ts';
import { shuffles } from './sse-shuffle.ts';
import { streams } from './sse-stream.ts';
import { sse3Insns } from './sse3.ts';
import { sse41Floats } from './sse41-float.ts';
import { sse41Integers } from './sse41-int.ts';
import { sse42Insns } from './sse42.ts';
import { ssse3Insns } from './ssse3.ts';

export const sse: Insn[] = [
  ...moves,
  ...arithmetic,
  ...mmxTwins,
  ...compares,
  ...conversions,
  ...packedConversions,
  ...shuffles,
  ...streams,
  ...sse3Insns,
  ...ssse3Insns,
  ...sse41Integers,
  ...sse41Floats,
  ...sse42Insns,
];
