/** Shows a mismatch: code, disassembly, what differs, and the state it starts from. */
import { Decoder, DecoderOptions, Formatter, FormatterSyntax } from 'iced-x86';
import { differences } from './compare.ts';
import type { Mismatch } from './differ.ts';
import { rowName } from './rows.ts';
import { SLOT } from './slot.ts';

const hex = (value: number): string => (value >>> 0).toString(16);
const reversed = (bytes: Uint8Array): string =>
  Buffer.from(bytes)
    .reverse()
    .toString('hex')
    .replace(/^0+(?=.)/, '');

const isZero = (text: string): boolean => /^0*$/.test(text);

function disassemble(code: Uint8Array, address: number): string {
  const decoder = new Decoder(32, code, DecoderOptions.None);
  decoder.ip = BigInt(address);
  const formatter = new Formatter(FormatterSyntax.Intel);
  const lines: string[] = [];
  while (decoder.canDecode) {
    const instruction = decoder.decode();
    lines.push(instruction.isInvalid ? '(invalid)' : formatter.format(instruction));
    instruction.free();
  }
  decoder.free();
  formatter.free();
  return lines.join('; ');
}

const GPR = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi'];

/** Everything in the start state that is not 0. */
function showState({ request }: Mismatch): string {
  const parts = GPR.map((name, i) => [name, request.get(0, SLOT.gpr + 4 * i)] as const).filter(([, value]) => value);
  const lines = [
    [...parts.map(([name, value]) => `${name}=${hex(value)}`), `eflags=${hex(request.get(0, SLOT.eflags))}`].join(' '),
  ];
  const control = request.get(0, SLOT.fx);
  const status = control >>> 16;
  const tags = request.get(0, SLOT.fx + 4) & 0xff;
  lines.push(
    `fcw=${hex(control & 0xffff)} fsw=${hex(status)} tags=${hex(tags)} mxcsr=${hex(request.get(0, SLOT.fx + 24))}`,
  );
  const vectors: string[] = [];
  for (let i = 0; i < 8; i++) {
    const xmm = reversed(request.bytes(0, SLOT.xmm + 16 * i, 16));
    const st = reversed(request.bytes(0, SLOT.st + 16 * i, 10));
    if (!isZero(xmm)) vectors.push(`xmm${i}=${xmm}`);
    if (!isZero(st)) vectors.push(`st${i}=${st}`);
  }
  if (vectors.length) lines.push(vectors.join(' '));
  const memory = Array.from(
    { length: 32 },
    (_, i) => [i, reversed(request.bytes(0, SLOT.windows + 16 * i, 16))] as const,
  ).filter(([, text]) => !isZero(text));
  if (memory.length && memory.length <= 8)
    lines.push(memory.map(([i, text]) => `window+${hex(i * 16)}=${text}`).join(' '));
  return lines.map((line) => `    ${line}`).join('\n');
}

export function show(mismatch: Mismatch): string {
  const { program, native, tallship, subject } = mismatch;
  const found = differences(native, 0, tallship, 0);
  const lines = [
    `${subject}: ${program.steps.map((step) => rowName(step.row)).join('; ')}`,
    `  ${Buffer.from(program.code).toString('hex')} at ${hex(program.address)}: ${disassemble(program.code, program.address)}`,
    ...found.slice(0, 12).map((d) => `  ${d.field}: hardware ${hex(d.native)}, Tallship ${hex(d.tallship)}`),
    `  ended: hardware ${ending(native)}; Tallship ${ending(tallship)}`,
    '  from',
    showState(mismatch),
  ];
  return lines.join('\n');
}

function ending(slots: Mismatch['native']): string {
  const [signo, code, address, trapno, error] = [SLOT.signo, SLOT.siCode, SLOT.siAddr, SLOT.trapno, SLOT.error].map(
    (at) => slots.get(0, at),
  );
  return `signal ${signo} code ${code | 0} address ${hex(address)} trap ${trapno} error ${hex(error)} eip ${hex(slots.get(0, SLOT.eip))}`;
}

/** What makes two mismatches the same for a reader. */
export function signature(mismatch: Mismatch): string {
  const fields = differences(mismatch.native, 0, mismatch.tallship, 0).map((d) => d.field.replace(/\+.*|\d+$/, ''));
  const names = mismatch.program.steps.map((step) => rowName(step.row)).join('; ');
  return `${mismatch.subject} ${names} [${[...new Set(fields)].join()}]`;
}
