import { programs } from '../support/program.ts';

/** 1 MB of text that compresses like text. */
const DATA =
  'seq 120000 | awk \'{ print $1, ($1 * 7919) % 10007, "some words that come again" }\' | head -c 1000000 > data; ';
const roundTrip = (command: string, suffix: string) =>
  `${DATA} ${command} -k data; md5sum < data.${suffix}; ls -s --block-size=1k data.${suffix} > /dev/null; ${command} -dc data.${suffix} | cmp - data && echo same; rm data data.${suffix}`;

programs('compression', [
  { name: 'gzip', run: roundTrip('gzip -n', 'gz') },
  { name: 'bzip2', run: roundTrip('bzip2', 'bz2') },
  { name: 'xz', run: roundTrip('xz -2 -T1', 'xz') },
  {
    name: 'zstd',
    run: `${DATA} zstd -q -k --single-thread data; md5sum < data.zst; zstd -dcq data.zst | cmp - data && echo same; rm data*`,
  },
  {
    name: 'zstd with threads',
    run: `${DATA} zstd -q -T2 data; zstd -dcq data.zst | cmp - data && echo same; rm data*`,
  },
  {
    name: 'tar with every compressor',
    run: 'mkdir t; seq 1000 > t/a; seq 500 > t/b; for z in z j J; do tar c$z"f" t.tar t --owner=0 --group=0 --mtime=@0 --sort=name; tar t$z"f" t.tar; mkdir o; tar x$z"f" t.tar -C o; diff -r t o/t && echo same; rm -r o t.tar; done',
  },
  {
    name: 'openssl digests and ciphers',
    run: `${DATA} for d in md5 sha1 sha256 sha512 sha3-256 blake2b512; do openssl dgst -$d data; done; openssl enc -aes-256-cbc -K 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff -iv 0123456789abcdef0123456789abcdef -in data | md5sum; openssl prime 1000003; rm data`,
  },
  {
    name: 'cjpeg and djpeg',
    run: `awk 'BEGIN { printf "P3 160 120 255\\n"; for (i = 0; i < 19200; i++) printf "%d %d %d\\n", i % 256, (i * 7) % 256, (i / 100) % 256 }' > in.ppm
cjpeg -quality 85 in.ppm > out.jpg; md5sum < out.jpg; djpeg -dct int out.jpg | md5sum; cjpeg -progressive -optimize in.ppm | djpeg -dct float | md5sum; rm out.jpg in.ppm`,
  },
]);
