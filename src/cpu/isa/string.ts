/**
 * String instructions (SDM Vol. 1, 7.3.9). With REP, one execution does what lies within one page, which can only fault at
 * its first element, before anything has changed; if elements are left the instruction runs again, which also lets the
 * slice end.
 */
import type { Emitter, Variable } from '../emit/emitter.ts';
import { EAX, ECX, EDI, ES, ESI, STATE } from '../state.ts';
import type { Insn } from './insn.ts';
import { insn } from './insn.ts';

type Element = 1 | 2 | 4;
const PAGE = 4096;

/** One of eSI and eDI: the register and where it points. */
interface Pointer<V> {
  readonly number: number;
  readonly address: V;
}

const pointer = <V>(e: Emitter<V>, number: number): Pointer<V> => ({
  number,
  address: e.register(number, e.addressSize),
});

/** Elements from here to the page's end, or back to its start, but at least one. */
function elementsInPage<V>(e: Emitter<V>, address: V, size: Element): V {
  const shift = e.const(size >> 1);
  const inPage = e.and(address, e.const(PAGE - 1));
  const forwards = e.shrU(e.sub(e.const(PAGE), inPage), shift);
  const backwards = e.add(e.shrU(inPage, shift), e.const(1));
  const crosses = e.gtU(inPage, e.const(PAGE - size));
  const count = e.select(e.gtS(e.state(STATE.direction), e.const(0)), forwards, backwards);
  return e.select(crosses, e.const(1), e.select(count, count, e.const(1)));
}

const least = <V>(e: Emitter<V>, a: V, b: V): V => e.select(e.ltU(a, b), a, b);

/** What a string instruction does with one element; answers whether a repeat goes on, if that depends on the element. */
type Step = <V>(
  e: Emitter<V>,
  at: { readonly source: V; readonly destination: V },
  keep: (name: 'a' | 'b', value: V) => void,
) => V | undefined;

interface Plan {
  readonly uses: readonly ('source' | 'destination')[];
  readonly step: Step;
  /** After the last element, with what the step kept. */
  readonly finish?: <V>(e: Emitter<V>, a: V, b: V) => void;
}

function advance<V>(e: Emitter<V>, pointers: readonly Pointer<V>[], bytes: V): void {
  for (const { number, address } of pointers) e.setRegister(number, e.add(address, bytes), e.addressSize);
}

function runOnce<V>(e: Emitter<V>, size: Element, plan: Plan): void {
  const source = pointer(e, ESI);
  const destination = pointer(e, EDI);
  const kept: Partial<Record<'a' | 'b', V>> = {};
  plan.step(e, { source: source.address, destination: destination.address }, (name, value) => {
    kept[name] = value;
  });
  const used = plan.uses.map((use) => (use === 'source' ? source : destination));
  advance(e, used, e.shl(e.state(STATE.direction), e.const(size >> 1)));
  plan.finish?.(e, kept.a!, kept.b!);
}

/** 16-bit offsets wrap anywhere: one element at a time. */
function chunkLength<V>(e: Emitter<V>, used: readonly Pointer<V>[], count: V, size: Element): V {
  if (e.addressSize === 2 || e.isStepped) return e.const(1);
  return used.reduce((least_, { address }) => least(e, least_, elementsInPage(e, address, size)), count);
}

function runRepeated<V>(e: Emitter<V>, size: Element, plan: Plan): void {
  const count = e.register(ECX, e.addressSize);
  e.if(count, () => {
    const source = pointer(e, ESI);
    const destination = pointer(e, EDI);
    const used = plan.uses.map((use) => (use === 'source' ? source : destination));
    const length = chunkLength(e, used, count, size);
    const stride = e.shl(e.state(STATE.direction), e.const(size >> 1));
    const moved = e.variable('i32', e.const(0));
    const left = e.variable('i32', length);
    const goesOn = e.variable('i32', e.const(1));
    const kept: Record<'a' | 'b', Variable<V> | undefined> = { a: undefined, b: undefined };
    if (plan.finish) {
      kept.a = e.variable('i32', e.const(0));
      kept.b = e.variable('i32', e.const(0));
    }
    e.while(
      () => e.and(e.ne(left.get(), e.const(0)), goesOn.get()),
      () => {
        const by = moved.get();
        const at = { source: e.add(source.address, by), destination: e.add(destination.address, by) };
        const more = plan.step(e, at, (name, value) => kept[name]?.set(value));
        if (more !== undefined) goesOn.set(more);
        moved.set(e.add(by, stride));
        left.set(e.sub(left.get(), e.const(1)));
      },
    );
    advance(e, used, moved.get());
    const rest = e.zext(e.sub(count, e.sub(length, left.get())), e.addressSize);
    e.setRegister(ECX, rest, e.addressSize);
    e.if(e.and(e.ne(rest, e.const(0)), goesOn.get()), () => e.restart());
    // Flags only at the end: where a later element faults, they are as before the instruction (SDM Vol. 2B, REP).
    if (kept.a && kept.b) plan.finish!(e, kept.a.get(), kept.b.get());
  });
}

/** The byte form and the operand-sized form of one instruction. */
function stringInsns(name: string, opcode: number, planFor: (size: Element) => Plan): Insn[] {
  return [false, true].map((isWide) => {
    const text = (opcode + Number(isWide)).toString(16).toUpperCase();
    return insn(`${name}${isWide ? '' : 'b'}`, { rep: true }, [text], (e) => {
      const size = isWide ? e.operandSize : 1;
      const run = e.repeat ? runRepeated : runOnce;
      run(e, size, planFor(size));
    });
  });
}

/** A comparison: REPE goes on while the elements are equal, REPNE while they differ. */
function goesOnAfter<V>(e: Emitter<V>, a: V, b: V): V {
  return e.repeat === 0xf3 ? e.eq(a, b) : e.ne(a, b);
}

/** SDM Vol. 2B, MOVS. */
export const movs = stringInsns('movs', 0xa4, (size) => ({
  uses: ['source', 'destination'],
  step(e, at) {
    e.write(at.destination, e.read(at.source, size), size, ES);
    return undefined;
  },
}));

/** SDM Vol. 2A, CMPS: compares the source with the destination. */
export const cmps = stringInsns('cmps', 0xa6, (size) => ({
  uses: ['source', 'destination'],
  step(e, at, keep) {
    // Processors read the destination first.
    const b = e.read(at.destination, size, ES);
    const a = e.read(at.source, size);
    keep('a', a);
    keep('b', b);
    return goesOnAfter(e, a, b);
  },
  finish: (e, a, b) => e.flags.sub(a, b, e.sub(a, b), size),
}));

/** SDM Vol. 2B, STOS. */
export const stos = stringInsns('stos', 0xaa, (size) => ({
  uses: ['destination'],
  step(e, at) {
    e.write(at.destination, e.register(EAX, size), size, ES);
    return undefined;
  },
}));

/** SDM Vol. 2A, LODS. */
export const lods = stringInsns('lods', 0xac, (size) => ({
  uses: ['source'],
  step(e, at) {
    e.setRegister(EAX, e.read(at.source, size), size);
    return undefined;
  },
}));

/** SDM Vol. 2B, SCAS: compares the accumulator with the destination. */
export const scas = stringInsns('scas', 0xae, (size) => ({
  uses: ['destination'],
  step(e, at, keep) {
    const a = e.register(EAX, size);
    const b = e.read(at.destination, size, ES);
    keep('a', a);
    keep('b', b);
    return goesOnAfter(e, a, b);
  },
  finish: (e, a, b) => e.flags.sub(a, b, e.sub(a, b), size),
}));

export const string = [...movs, ...stos, ...cmps, ...scas, ...lods];
