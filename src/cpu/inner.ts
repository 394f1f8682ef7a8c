/** Reasons for which the interpreter returns to TypeScript that the kernel never sees; Exit has the others. */
export const Inner = {
  /** EIP has no record in the cache. */ lookup: 64,
  /** The branch in STATE.record does not know its target's record yet. */ link: 65,
  /** The bytes of the instruction at EIP are not the ones that were decoded. */ stale: 66,
  /** Never seen: marks the handler of compiled code, which has not set a reason. */ compiled: 67,
  /** The instruction before EIP has left an unmasked x87 exception: x87-pointers.ts. */ exception: 69,
  /** The instruction at EIP is for the evaluator (stepper.ts). */ evaluate: 68,
  /** The slice ended in compiled code. */ compiledBudget: 70,
  /** Compiled code has gone on in the interpreter, at EIP, again and again. */ left: 71,
} as const;
