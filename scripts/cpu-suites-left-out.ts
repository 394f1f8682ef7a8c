/** Programs of valgrind's and qemu's suites that npm run test:cpu-suites does not run, and why. */
export const LEFT_OUT: Record<string, string> = {
  cpuid_c: 'shows the processor',
  lzcnt32: 'LZCNT is not announced',
  yield: 'no result',
  'hello-i386': 'no test of instructions',
  'test-i386-ssse3': 'code of 64 bits',
  'test-mmx': 'code of 64 bits',
  'test-avx': 'AVX is not announced',
  'test-3dnow': '3DNow! is not announced',
  'test-i386-bmi2': 'BMI is not announced',
  'test-i386-fprem': 'takes very long',
};
