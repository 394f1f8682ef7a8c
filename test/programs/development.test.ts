import { programs } from '../support/program.ts';

const C_PROJECT = {
  'main.c':
    '#include <stdio.h>\n#include "sum.h"\nint main(int c, char **v) { printf("%d %.3f %s\\n", sum(c), root(2.0), v[0]); return c; }\n',
  'sum.h': 'int sum(int n);\ndouble root(double x);\n',
  'sum.c':
    '#include "sum.h"\nint sum(int n) { int s = 0; for (int i = 0; i <= n * 1000; i++) s += i % 7; return s; }\n',
  'root.c': '#include <math.h>\n#include "sum.h"\ndouble root(double x) { return sqrt(x); }\n',
  Makefile:
    'CFLAGS = -O2 -g0\nprogram: main.o sum.o root.o\n\t$(CC) -o $@ $^ -lm\n%.o: %.c sum.h\n\t$(CC) $(CFLAGS) -c -o $@ $<\nclean:\n\trm -f *.o program\n',
};

programs('git', [
  {
    name: 'init, commit, log, branch, merge, gc, clone',
    env: { GIT_CONFIG_NOSYSTEM: '1' },
    ignore: /\.git\/(index|ORIG_HEAD|objects|logs|hooks)|FETCH_HEAD/,
    run: `export HOME=$PWD; git config --global user.name me; git config --global user.email me@example.org; git config --global init.defaultBranch main
git init -q r; cd r; seq 100 > a; git add a; git commit -qm one; git checkout -qb side; sed -i 5d a; git commit -qam two; git checkout -q main; echo x > b; git add b; git commit -qm three
git merge -q side -m merged; git log --format='%h %s' ; git diff --stat HEAD~2; git gc -q; git fsck; cd ..; git clone -q r c; cd c; git log --oneline | wc -l; git status --short; git show --stat HEAD~1 | cat`,
  },
]);

programs('gcc and make', [
  {
    name: 'compile, link and run',
    run: 'gcc -O2 -o p main.c sum.c root.c -lm && ./p a b; echo $?',
    files: C_PROJECT,
    timeout: 300_000,
  },
  { name: 'make -j4', run: 'make -j4 -s && ./program; echo $?; make -s clean; ls', files: C_PROJECT, timeout: 300_000 },
  {
    name: 'errors of the compiler',
    run: 'echo "int main() { return x; }" > bad.c; gcc -c bad.c; echo $?; echo "int f(void); int main(void) { return f(); }" > l.c; gcc l.c 2>&1 | grep -c undefined',
    timeout: 300_000,
  },
  {
    name: 'static linking and a library',
    run: 'gcc -c sum.c root.c && ar rcs libs.a sum.o root.o && gcc -static -o p main.c -L. -ls -lm && ./p; gcc -shared -fPIC -o libt.so sum.c root.c -lm && gcc -o q main.c -L. -lt && LD_LIBRARY_PATH=. ./q 1; echo $?',
    files: C_PROJECT,
    timeout: 300_000,
  },
]);
