// What npm run test:checkpoint interrupts: programs of a Debian system whose output does not depend on when anything happens.
import { resolve } from 'node:path';

const python = (script) => ['/usr/bin/python3', '-c', script];
const shell = (script) => ['/bin/bash', '-c', script];

/** vi on a terminal, with somebody who types. */
const VI = String.raw`
import os, pty, select, time
pid, fd = pty.fork()
if pid == 0: os.execv('/bin/busybox', ['vi', '/tmp/note'])
def look(seconds):
    end = time.monotonic() + seconds
    while (rest := end - time.monotonic()) > 0:
        if select.select([fd], [], [], rest)[0]: os.read(fd, 4096)
def keys(text, pause=0.01):
    for key in text: os.write(fd, key.encode()); look(pause)
screen = b''
while b'~' not in screen: screen += os.read(fd, 4096)
print('begins', flush=True)
for n in range(6):
    keys(f'oline {n} of what is typed'); keys('\x1b', 0.5)
    if n % 3 == 0: keys('yyp', 0.05)
keys(':%s/typed/written/g\r', 0.02); os.write(fd, b':wq\r')
try:
    while os.read(fd, 4096): pass
except OSError: pass
print(os.waitpid(pid, 0)[1], open('/tmp/note').read())
`;

const THREADS = `
import threading, queue, subprocess, time, hashlib, asyncio
q = queue.Queue(5); out = []; lock = threading.Lock()
def produce(n):
    for i in range(100): q.put((n, i)); time.sleep(0.002)
def consume():
    while (x := q.get()) is not None:
        with lock: out.append((x, hashlib.sha256(repr(x).encode()).hexdigest()[:8]))
ps = [threading.Thread(target=produce, args=(k,)) for k in range(3)]
cs = [threading.Thread(target=consume) for _ in range(2)]
for t in ps + cs: t.start()
for k in range(6): print(subprocess.run(['sh', '-c', f'sleep 0.05; echo sub {k}'], capture_output=True, text=True).stdout.strip(), flush=True)
for t in ps: t.join()
for _ in cs: q.put(None)
for t in cs: t.join()
print(len(out), hashlib.md5(repr(sorted(out)).encode()).hexdigest())
async def square(i):
    await asyncio.sleep(0.01 * i); return i * i
async def both(): print(sum(await asyncio.gather(*[square(i) for i in range(30)])))
asyncio.run(both())
`;

const PROCESSES = `
import asyncio, multiprocessing as mp, hashlib, time
def work(n):
    h = hashlib.sha256(str(n).encode())
    for _ in range(1000): h.update(h.digest())
    time.sleep(0.02); return n, h.hexdigest()[:12]
def send(queue, lock, value):
    for i in range(40):
        with lock: value.value += 1
        queue.put(i); time.sleep(0.005)
async def tick(name, n):
    for i in range(n): await asyncio.sleep(0.01)
    p = await asyncio.create_subprocess_exec('md5sum', stdin=-1, stdout=-1)
    out, _ = await p.communicate(name.encode()); return name, out.decode().strip()
async def main():
    for r in await asyncio.gather(*[tick(f't{i}', 5 + i) for i in range(6)]): print(*r, flush=True)
with mp.Pool(3) as pool: print(pool.map(work, range(24)), flush=True)
queue, lock, value = mp.Queue(), mp.Lock(), mp.Value('i', 0)
ps = [mp.Process(target=send, args=(queue, lock, value)) for _ in range(3)]
for p in ps: p.start()
print(sum(queue.get() for _ in range(120)), flush=True)
for p in ps: p.join()
print(value.value, [p.exitcode for p in ps], flush=True)
asyncio.run(main())
`;

const SERVER = `
import socket, subprocess, sys, threading
CLIENT = '''
import socket, sys, time
c = socket.socket(socket.AF_UNIX); c.connect('/tmp/s'); f = c.makefile('rw')
total = 0
for i in range(60):
    print(sys.argv[1], i, file=f, flush=True); total += int(f.readline()); time.sleep(0.01)
print(sys.argv[1], total, flush=True)
'''
s = socket.socket(socket.AF_UNIX); s.bind('/tmp/s'); s.listen()
def serve(c):
    f = c.makefile('rw')
    for line in f:
        name, n = line.split(); print(int(n) ** 2 + len(name), file=f, flush=True)
ps = [subprocess.Popen([sys.executable, '-c', CLIENT, n], stdout=-1) for n in ('one', 'second')]
for _ in ps: threading.Thread(target=serve, args=(s.accept()[0],)).start()
for p in ps: print(p.communicate()[0].decode(), p.returncode, flush=True)
`;

const PTHREADS = String.raw`cd /tmp; cat > p.c <<'END'
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
pthread_cond_t full = PTHREAD_COND_INITIALIZER, empty = PTHREAD_COND_INITIALIZER;
pthread_barrier_t all;
int ring[8], in, out, count;
long taken, sum;
void *take(void *n) {
  for (int i = 0; i < 300; i++) {
    pthread_mutex_lock(&m);
    while (!count) pthread_cond_wait(&full, &m);
    taken++; sum += ring[out++ % 8]; count--;
    pthread_cond_signal(&empty);
    pthread_mutex_unlock(&m);
  }
  pthread_barrier_wait(&all);
  return n;
}
int main() {
  pthread_t t[3];
  pthread_barrier_init(&all, 0, 4);
  for (int i = 0; i < 3; i++) pthread_create(t + i, 0, take, 0);
  for (int i = 0; i < 900; i++) {
    pthread_mutex_lock(&m);
    while (count == 8) pthread_cond_wait(&empty, &m);
    ring[in++ % 8] = i * i; count++;
    pthread_cond_broadcast(&full);
    pthread_mutex_unlock(&m);
    if (i % 100 == 0) { printf("%d\n", i); fflush(stdout); }
    usleep(2000);
  }
  pthread_barrier_wait(&all);
  for (int i = 0; i < 3; i++) pthread_join(t[i], 0);
  printf("%ld %ld\n", taken, sum);
}
END
gcc -O1 -pthread p.c -o p && ./p`;

const BUILD = String.raw`mkdir /tmp/b && cd /tmp/b; echo 'int printf(const char *, ...);' > main.c
for i in 1 2 3 4 5 6 7 8; do
  echo "int f$i(int x) { int s = 0; for (int i = 0; i < x; i++) s += i * $i ^ x; return s; }" > f$i.c
  echo "int f$i(int);" >> main.c
done
echo 'int main() { printf("%d\n", f1(10)+f2(20)+f3(30)+f4(40)+f5(50)+f6(60)+f7(70)+f8(80)); }' >> main.c
printf 'all: $(patsubst %%.c,%%.o,$(wildcard *.c))\n\t@gcc -o prog $^\n%%.o: %%.c\n\t@gcc -O2 -c -o $@ $<\n' > Makefile
make -s -j4 && ./prog && md5sum *.o`;

const GO = `(echo boardsize 9; for i in $(seq 12); do echo genmove black; echo genmove white; done
echo showboard; echo final_score; echo quit) | /usr/games/gnugo --mode gtp --level 1 --seed 7`;

const PIPELINE = `for i in $(seq 1 60); do echo $i $(echo $i | md5sum); sleep 0.03; done | sort -n | cat | tail -30
(for i in 1 2 3; do sleep 0.$i; done; echo late) &
for i in $(seq 1 80); do echo $i $((i * i % 97)); sleep 0.02; done | sort -k2n | awk '{ s += $2; print $1, s }' | sed 's/1/one/' | tac | head -20
wait; echo done`;

const ALARMS = String.raw`use Time::HiRes qw(setitimer ITIMER_REAL); $|=1; my ($n,$x)=(0,1); $SIG{ALRM}=sub{ $n++; print "alarm $n\n"; };
setitimer(ITIMER_REAL,0.15,0.15); while($n<12){ for(1..2000){ $x=($x*1103515245+12345)%2147483648; } select(undef,undef,undef,0.01) if $x%5==0; }
setitimer(ITIMER_REAL,0,0); my $pid=fork(); if(!$pid){ sleep 1; exit 7; } waitpid($pid,0); print "child ",$?>>8,"\n";`;

const SQL = `create table t(a integer primary key, b text); begin;
with recursive c(x) as (select 1 union all select x+1 from c where x<40000) insert into t select x, hex(x*7919) from c;
create index i on t(b); update t set b=b||'x' where a%3=0; commit; select count(*), sum(length(b)), max(b) from t; pragma integrity_check;`;

/** A gigabyte that is not zero. */
const LARGE = `
import time, zlib
a = bytearray(bytes(range(256)) * (4 << 20))
for i in range(40): a[i * 26000000 + 5] ^= i; print(i, flush=True); time.sleep(0.05)
print(len(a), zlib.crc32(a))
`;

export const PROGRAMS = {
  python: python(THREADS),
  processes: python(PROCESSES),
  server: python(SERVER),
  vi: python(VI),
  pipeline: shell(PIPELINE),
  perl: ['/usr/bin/perl', '-e', ALARMS],
  sqlite: ['/bin/sh', '-c', `cd /tmp; echo "$0" | sqlite3 x.db; sqlite3 x.db 'select sum(a) from t'`, SQL],
  pthreads: shell(PTHREADS),
  build: shell(BUILD),
  gnugo: shell(GO),
  counter: [resolve('fixtures/bin/counter'), '60', '10000000'],
  large: python(LARGE),
};
