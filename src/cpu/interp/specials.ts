/** Handlers of records that are no instruction: they join runs of records, compute addresses, raise decoding faults. */
import { Exit } from '../exit.ts';
import { STATE } from '../state.ts';
import type { InterpEmitter } from './interp-emitter.ts';
import { RECORD } from './record.ts';

/** Reasons for which run() returns to TypeScript that the kernel never sees. */
export const Inner = {
  /** EIP has no record in the cache. */ lookup: 64,
  /** The branch in STATE.record does not know its target's record yet. */ link: 65,
  /** The bytes of the instruction at EIP are not the ones that were decoded. */ stale: 66,
  /** Never seen: marks the handler of compiled regions. */ compiled: 67,
} as const;

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
  /** Any address, for the instruction in the next record: base + index * scale + displacement + segment. */
  address(e) {
    computeAddress(e, false);
  },
  /** 16-bit addressing. */
  narrowAddress(e) {
    computeAddress(e, true);
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

function computeAddress(e: InterpEmitter, isNarrow: boolean): void {
  const { offset, segment } = e.generalAddress();
  const effective = isNarrow ? e.and(offset, e.const(0xffff)) : offset;
  e.setState(STATE.address, e.add(effective, segment));
  e.proceed();
}

export const SPECIAL_NAMES = Object.keys(SPECIALS) as (keyof typeof SPECIALS)[];
export const specialIndex = (name: keyof typeof SPECIALS): number => SPECIAL_NAMES.indexOf(name);
