/** Programs choose their code by CPUID: glibc its string functions, OpenSSL its ciphers. All choices compute the same. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { CPU_MODEL_NAMES, DEFAULT_MODEL } from '../../src/cpu/isa/cpuid.ts';
import { MAIN, sysroot } from '../support/sysroot.ts';

const root = sysroot();
const SCRIPT = `
openssl dgst -sha256 -r /bin/bash; openssl dgst -md5 -r /bin/bash; openssl dgst -sha1 -r /bin/bash
head -c 100000 /bin/bash | openssl enc -aes-128-cbc -K 00112233445566778899aabbccddeeff -iv 00 2>&1 | cksum
od -An -tx1 -w8 /bin/sed | sort | uniq -c | sort -rn | head -n 20; grep -c 'e' /etc/passwd; grep -abo ELF /bin/bash
awk 'BEGIN { for (i = 0; i < 50; i++) s = s sprintf("%.17g ", sin(i) * exp(i / 7) + sqrt(i) - atan2(i, 3)); print s }'
`;

function output(model: string | undefined, script: string): string {
  const path = 'path' in root ? root.path : '/';
  const options = model === undefined ? [] : ['--cpu', model];
  const args = [MAIN, 'run', '-q', ...options, '-L', path, '/bin/sh', '-c', script];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  expect({ status, stderr }, stderr).toMatchObject({ status: 0 });
  return stdout;
}

describe.skipIf('missing' in root)(`processors${'missing' in root ? `: ${root.missing}` : ''}`, () => {
  const expected = 'path' in root ? output(undefined, SCRIPT) : '';

  it('is the newest one unless told', () => {
    expect(output(undefined, 'grep ^flags /proc/cpuinfo')).toBe(output(DEFAULT_MODEL, 'grep ^flags /proc/cpuinfo'));
    expect(expected.length).toBeGreaterThan(500);
  });

  it.each(CPU_MODEL_NAMES)('%s computes the same', { timeout: 180_000 }, (model) => {
    expect(output(model, SCRIPT)).toBe(expected);
  });

  it('shows what it has and no more', () => {
    expect(output('pentium3', 'grep ^flags /proc/cpuinfo')).toMatch(/: fpu tsc cx8 cmov mmx fxsr sse\n/);
  });
});
