/** Decimal arithmetic (SDM Vol. 1, 7.3.2.6). OF is undefined: cleared. */
import { Exit } from '../exit.ts';
import { EAX } from '../state.ts';
import type { Insn } from './insn.ts';
import { insn } from './insn.ts';

/** SDM Vol. 2A, DAA and DAS. */
function adjustPacked(name: string, opcode: string, isAddition: boolean): Insn {
  return insn(name, {}, [opcode], (e) => {
    const al = e.register(EAX, 1);
    const oldCarry = e.flags.get('cf');
    const low = e.or(e.gtU(e.and(al, e.const(15)), e.const(9)), e.flags.get('af'));
    const high = e.or(e.gtU(al, e.const(0x99)), oldCarry);
    const six = e.select(low, e.const(6), e.const(0));
    const change = e.add(six, e.select(high, e.const(0x60), e.const(0)));
    const result = e.zext(isAddition ? e.add(al, change) : e.sub(al, change), 1);
    // DAS: the borrow of the low digit's correction is a carry too.
    const cf = isAddition ? high : e.or(high, e.ltU(al, six));
    e.setRegister(EAX, result, 1);
    e.flags.result(result, 1, { cf, af: low });
  });
}
export const daa = adjustPacked('daa', '27', true);
export const das = adjustPacked('das', '2F', false);

/** SDM Vol. 2A, AAA and AAS: only CF and AF are defined. */
function adjustUnpacked(name: string, opcode: string, isAddition: boolean): Insn {
  return insn(name, {}, [opcode], (e) => {
    const ax = e.register(EAX, 2);
    const adjusts = e.or(e.gtU(e.and(ax, e.const(15)), e.const(9)), e.flags.get('af'));
    const change = e.const(0x106);
    const adjusted = isAddition ? e.add(ax, change) : e.sub(ax, change);
    const result = e.and(e.select(adjusts, adjusted, ax), e.const(0xff0f));
    e.setRegister(EAX, result, 2);
    e.flags.result(e.zext(result, 1), 1, { cf: adjusts, af: adjusts });
  });
}
export const aaa = adjustUnpacked('aaa', '37', true);
export const aas = adjustUnpacked('aas', '3F', false);

/** SDM Vol. 2A, AAM: any base. */
export const aam = insn('aam', {}, ['D4 Ib'], (e, base) => {
  const divisor = e.load(base);
  e.if(e.eqz(divisor), () => e.fault(Exit.divideError));
  const al = e.register(EAX, 1);
  const low = e.remU(al, divisor);
  e.setRegister(EAX, e.or(e.shl(e.divU(al, divisor), e.const(8)), low), 2);
  e.flags.result(low, 1, {});
});

/** SDM Vol. 2A, AAD. CF, AF and OF are undefined: the addition's. */
export const aad = insn('aad', {}, ['D5 Ib'], (e, base) => {
  const product = e.zext(e.mul(e.register(4, 1), e.load(base)), 1);
  const al = e.register(EAX, 1);
  const result = e.zext(e.add(al, product), 1);
  e.setRegister(EAX, result, 2);
  e.flags.add(al, product, result, 1);
});

export const bcd = [daa, das, aaa, aas, aam, aad];
