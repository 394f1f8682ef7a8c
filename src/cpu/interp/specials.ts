/** Handlers of records that are no instruction: they join runs of records, compute addresses, raise decoding faults. */
import { Exit } from '../exit.ts';
import { Inner } from '../inner.ts';
import { STATE } from '../state.ts';
import type { InterpEmitter } from './interp-emitter.ts';
import { RECORD } from './record.ts';

export type Special = (e: InterpEmitter) => void;

/** The index of a special handler is its position here. */
export const SPECIALS = {
  /** Execution goes on at another record; while that is unknown (0), at EIP. */
  proceed(e) {
    const record = e.field(RECORD.immediate);
    e.if(e.eqz(record), () => e.fault(Inner.link));
    e.join(record);
  },
  /** Raises the exception that decoding ended in. */
  decodeFault(e) {
    e.setState(STATE.lastAccess, e.field(RECORD.b));
    e.setState(STATE.exitReason, e.field(RECORD.immediate));
    e.setState(STATE.exitDetail, e.field(RECORD.displacement));
    e.leaveFaulting();
  },
  /** Ends the slice here. */
  stop(e) {
    e.fault(Exit.budget);
  },
  /** An instruction that the evaluator runs. */
  evaluate(e) {
    e.fault(Inner.evaluate);
  },
  /** Any address, for the instruction in the next record: base + index * scale + displacement. */
  address(e) {
    e.setState(STATE.address, e.generalAddress());
    e.proceed();
  },
  /** 16-bit addressing. */
  narrowAddress(e) {
    e.setState(STATE.address, e.and(e.generalAddress(), e.const(0xffff)));
    e.proceed();
  },
  /** In fs or gs; `a` holds how far below 4 GiB the operand may begin. */
  segmentAddress(e) {
    const offset = e.generalAddress();
    e.if(e.gtU(offset, e.field(RECORD.a)), () => e.fault(Inner.evaluate));
    e.setState(STATE.address, e.add(offset, e.segment()));
    e.proceed();
  },
  /** Compares an instruction on a writable page with what was decoded: bytes in the record from `a` on. */
  check(e) {
    const eip = e.currentEip();
    const at = e.variable('i32', e.const(0));
    const length = e.field(RECORD.length, 'u8');
    e.while(
      () => e.ltU(at.get(), length),
      () => {
        const expected = e.recordByte(at.get());
        e.if(e.ne(e.read(e.add(eip, at.get()), 1), expected), () => e.fault(Inner.stale));
        at.set(e.add(at.get(), e.const(1)));
      },
    );
    e.proceed();
  },
  /** A compiled region begins here. Its code is written by hand in module.ts: it calls through the table. */
  compiled(e) {
    // Unlike any other handler, so that none is found to be the same.
    e.fault(Inner.compiled);
  },
} satisfies Record<string, Special>;

export const SPECIAL_NAMES = Object.keys(SPECIALS) as (keyof typeof SPECIALS)[];
export const specialIndex = (name: keyof typeof SPECIALS): number => SPECIAL_NAMES.indexOf(name);
