declare module 'elfy' {
  export interface ProgramHeader {
    /** undefined: a type elfy does not know. */
    type: string | undefined;
    offset: number;
    vaddr: number;
    filesz: number;
    memsz: number;
    flags: { r?: boolean; w?: boolean; x?: boolean };
    align: number;
  }
  export interface Elf {
    type: string | undefined;
    machine: string | undefined;
    entry: number;
    body: { programs: ProgramHeader[] };
  }
  const elfy: { parse(bytes: Uint8Array): Elf };
  export default elfy;
}
