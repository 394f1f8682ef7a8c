import { programs } from '../support/program.ts';

const busybox = (script: string) => ['/bin/busybox', 'sh', '-c', `set -e; bb=/bin/busybox\n${script}`];

/** A small tree with long lines, an empty file, a link and a name with blanks. */
const TREE = `
$bb mkdir -p tree/a/b 'tree/with blank'
i=0; while [ $i -lt 200 ]; do echo "$i line $((i * i % 97)) of the file"; i=$((i + 1)); done > tree/a/lines
: > tree/empty; echo x > 'tree/with blank/file'; $bb ln -s ../a tree/a/b/up; $bb chmod 750 tree/a`;

programs('busybox', [
  { name: 'pipelines and here-documents', run: busybox('cat <<E | $bb sort -r | $bb head -n 2\none\ntwo\nthree\nE') },
  {
    name: 'functions, subshells, arithmetic, traps',
    run: busybox(`
f() { local n=$1; [ $n -le 1 ] && echo 1 || echo $((n * $(f $((n - 1))))); }
trap 'echo bye' EXIT
f 7; (exit 3) || echo status $?; echo $((0x1f ^ 5)) \${0##*/} "$(echo a; echo b)"`),
  },
  {
    name: 'background jobs and wait',
    run: busybox('for i in 1 2 3; do ($bb sleep 0.$i; echo $i) & done; wait; false & wait $! || echo failed $?'),
  },
  {
    name: 'stop, continue and kill',
    run: busybox('$bb sleep 10 & kill -STOP $!; kill -CONT $!; kill -9 $!; wait $! || echo $?'),
  },
  {
    name: 'tar there and back',
    run: busybox(
      `${TREE}\n$bb tar cf t.tar tree; $bb mkdir out; $bb tar xf t.tar -C out; $bb diff -r tree out && echo same; $bb rm t.tar`,
    ),
  },
  {
    name: 'gzip there and back',
    run: busybox(
      `${TREE}\n$bb gzip -c tree/a/lines > z; $bb gunzip -c z | $bb cmp - tree/a/lines && echo same; $bb rm z`,
    ),
  },
  {
    name: 'sed, awk, sort, uniq',
    run: busybox(
      `${TREE}\n$bb sed -n 's/line \\([0-9]*\\)/<\\1>/p' tree/a/lines | $bb awk '{ n[$2]++ } END { for (k in n) print n[k], k }' | $bb sort -k1,1nr -k2 | $bb uniq -c | $bb head -n 20`,
    ),
  },
  {
    name: 'find and grep',
    run: busybox(
      `${TREE}\n$bb find tree -name '*i*' | $bb sort; $bb grep -rc '1 of' tree/a/lines; $bb grep -n 'line 1[0-9] ' tree/a/lines`,
    ),
  },
  {
    name: 'diff',
    run: busybox(
      `${TREE}\n$bb sed 's/^5/five/; 100d' tree/a/lines > other; $bb diff -u tree/a/lines other | $bb sed 1,2d; $bb cmp tree/a/lines other || echo $?`,
    ),
  },
  {
    name: 'checksums',
    run: busybox(
      `${TREE}\n$bb md5sum tree/a/lines; $bb sha256sum tree/a/lines; $bb sha512sum tree/empty; $bb cksum tree/a/lines`,
    ),
  },
  { name: 'exit status 42', run: busybox('exit 42') },
  { name: 'killed by a signal', run: ['/bin/busybox', 'sh', '-c', 'kill -TERM $$'] },
  { name: 'killed by SIGPIPE', run: ['/bin/busybox', 'sh', '-c', '/bin/busybox yes | /bin/busybox head -n 1'] },
  { name: 'standard input', run: ['/bin/busybox', 'wc'], stdin: 'one two\nthree\n'.repeat(10000) },
  { name: 'bc and dc', run: busybox('echo "2^200; scale=20; 1/7" | $bb bc; echo "2 k 355 113 / p" | $bb dc') },
  {
    name: 'vi in a script',
    run: busybox(
      "printf 'one\\ntwo\\n' > f; printf ':s/one/1/\\n:wq\\n' | $bb ed f 2>/dev/null || true; printf '1s/one/1/\\nw\\nq\\n' | $bb ed f; $bb cat f",
    ),
  },
  {
    name: 'cpio, dd, od, hexdump',
    run: busybox(
      `${TREE}\n$bb find tree | $bb sort | $bb cpio -o -H newc 2>/dev/null | $bb wc -c; $bb dd if=tree/a/lines bs=7 skip=3 count=5 2>/dev/null | $bb od -c; $bb hexdump -C tree/a/lines | $bb tail -n 3`,
    ),
  },
]);
