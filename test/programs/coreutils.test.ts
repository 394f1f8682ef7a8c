import { programs } from '../support/program.ts';

programs('coreutils', [
  {
    name: 'ls, stat, touch, chmod, ln',
    run: 'mkdir d; touch -d "2001-02-03 04:05:06" d/f; ln d/f d/g; ln -s f d/l; chmod 640 d/f; ls -l --time-style=full-iso d/f d/g; ls d; stat -c "%n %s %a %h %Y %F" d/f d/g; stat -c "%N %s %a %F" d/l',
  },
  {
    name: 'cp, mv, rm, install, du',
    run: 'mkdir -p a/b; echo x > a/b/f; cp -a a c; mv c/b/f c/g; install -m 700 c/g c/h; rm -r a; find . | sort; du -b c | cut -f2',
  },
  {
    name: 'sort, join, comm, paste, cut',
    run: 'seq 1000 | shuf --random-source=/bin/sh | sort -n | md5sum; seq 5 > a; seq 3 8 > b; comm a b; join a b; paste a b | cut -f2; sort -t: -k3n /etc/passwd | tail -n 2',
  },
  {
    name: 'text tools',
    run: 'seq 20 | split -l 6 - part; wc part*; tac partaa | nl | fmt -w 20; expand -t4 <<< "a\tb"; fold -w 7 <<< "some longer line"; od -An -tx4 <<< abcdefg; tr -s a-z A-Z <<< hello; pr -t -2 partaa',
  },
  {
    name: 'checksums',
    run: 'seq 100000 > f; md5sum f; sha1sum f; sha256sum f; sha512sum f; b2sum f; cksum f; sum f; base64 f | md5sum',
  },
  {
    name: 'dd, truncate, sparse files',
    run: 'truncate -s 5G big; stat -c %s big; dd if=/dev/zero of=big bs=1 count=1 seek=6000000000 conv=notrunc status=none; stat -c "%s" big; rm big; dd if=/dev/urandom bs=1k count=3 status=none | wc -c',
  },
  {
    name: 'numbers',
    run: 'factor 1234567890123456789; seq -f %g 0 0.1 1 | tail -n 3; numfmt --to=iec 123456789; expr 7 \\* 6; printf "%.10f %x %s\\n" 1.25 255 end; date -u -d @1000000000 +%FT%T; echo "s(1)" | wc -c',
  },
  {
    name: 'timeout, env, tee, yes, xargs',
    run: 'timeout 0.2 sleep 5; echo $?; env -i A=1 env; yes | head -n 3 | tee copy | wc -l; nohup true; echo $?; mktemp -u XXXX | wc -c',
  },
  { name: 'errors', run: 'cat missing; ls /nonexistent; mkdir /proc/x; rmdir /; cp; echo $?' },
  {
    name: 'readlink, realpath, pwd',
    run: 'mkdir -p x/y; ln -s x/y l; cd l; pwd -L; pwd -P; realpath ../..; readlink ../../l || readlink /work/*/l',
  },
  { name: 'tail -f and sleep', run: 'echo a > f; (sleep 1; echo b >> f) & timeout 5 tail -f f; echo $?' },
  {
    name: 'df and mknod refuse nicely',
    run: 'mkfifo p; (echo through > p) & cat p; stat -c %F p; test -p p && echo fifo',
  },
]);

programs('find, grep, sed, awk, diff', [
  {
    name: 'find over /usr/share',
    run: 'find /usr/share/perl -name "*.pm" | sort | md5sum; find /etc -type l | sort | head -n 20; find . -newer /etc/passwd -exec echo {} +',
  },
  {
    name: 'grep over /usr/share',
    run: 'grep -rl "use strict" /usr/share/perl | sort | md5sum; grep -oE "[a-z]+@[a-z]+" -rh /usr/share/perl | sort | uniq -c | sort -rn | head -n 5; echo abcabc | grep -P "(abc)\\1"',
  },
  {
    name: 'sed',
    run: 'seq 100 | sed -n "/5/{s/$/!/;p}; 50q"; echo hello | sed -E "s/(l+)/[\\1]/; y/abc/xyz/"; printf "a\\nb\\n" > f; sed -i "1d" f; cat f',
  },
  {
    name: 'gawk',
    run: 'seq 1000 | gawk \'{ s += $1; a[$1 % 7]++ } END { printf "%d %.3f\\n", s, sqrt(s); n = asorti(a, k); for (i = 1; i <= n; i++) print k[i], a[k[i]]; print substr("hello", 2, 3), toupper("x"), strftime("%Y", 0, 1) }\'',
  },
  { name: 'mawk', run: 'seq 50000 | mawk \'{ s += sin($1) } END { printf "%.6f\\n", s }\'' },
  {
    name: 'diff and patch-like comparisons',
    run: 'seq 100 > a; sed "30d; 60s/.*/sixty/" a > b; diff a b; diff -u a b | tail -n +3; cmp a b; diff3 a b a',
  },
]);

programs('procps', [
  {
    name: 'ps and pgrep',
    run: 'sleep 30 & ps -o comm= -p $!; pgrep -P $$ -c sleep; kill $!; wait $! || echo $?; ps -o pid= -p 1 > /dev/null; uptime > /dev/null && echo up; free > /dev/null && echo memory',
  },
]);
