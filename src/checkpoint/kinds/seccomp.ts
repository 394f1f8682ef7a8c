/** Filters of system calls in an image: checked as when a program sets them. */
import { integer, list, maybe, oneOf, record, type Shape, ShapeError } from '../../fs/image/shape.ts';
import { isSound, type Program } from '../../kernel/bpf.ts';
import { SECCOMP_DATA_SIZE, type Seccomp } from '../../kernel/seccomp.ts';

const INSTRUCTION = record({
  ...{ code: integer(0, 0xffff), jt: integer(0, 0xff), jf: integer(0, 0xff) },
  k: integer(0, 0xffff_ffff),
});
const FILTER: Shape<Program> = (value, at, kindOf) => {
  const program = list(INSTRUCTION)(value, at, kindOf);
  if (!isSound(program, SECCOMP_DATA_SIZE)) throw new ShapeError(`${at} is no sound filter`);
  return program;
};
const MODES = maybe(record({ mode: oneOf('strict', 'filter'), filters: list(FILTER, 1024) }));

/** Images of before have none. */
export const SECCOMP: Shape<Seccomp | null> = (value, at, kindOf) => MODES(value ?? null, at, kindOf);
