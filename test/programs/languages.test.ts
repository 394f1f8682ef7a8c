import { programs } from '../support/program.ts';

const python = (source: string) => ['/usr/bin/python3', '-c', source];

programs('python3', [
  {
    name: 'json, re, hashlib',
    run: python(
      'import json,re,hashlib,math\nprint(json.dumps({"a":[1,2.5,None],"b":"\\u00e9"},sort_keys=True))\nprint(re.sub(r"(\\w+)@(\\w+)",r"\\2 at \\1","me@home you@work"))\nfor h in ("md5","sha256","sha3_512","blake2b"): print(hashlib.new(h,b"x"*1000).hexdigest())\nprint(math.sin(1e6), 2**200, 0.1+0.2, f"{math.pi:.30f}", 1e308*10, float("nan"))',
    ),
  },
  {
    name: 'threading',
    run: python(
      'import threading,queue\nq=queue.Queue(); r=[]\ndef w():\n  while True:\n    x=q.get()\n    if x is None: break\n    r.append(x*x)\nt=[threading.Thread(target=w) for _ in range(8)]\n[x.start() for x in t]\n[q.put(i) for i in range(500)]\n[q.put(None) for _ in t]\n[x.join() for x in t]\nprint(len(r),sum(r))\ne=threading.Event(); print(e.wait(0.05))',
    ),
  },
  {
    name: 'subprocess',
    run: python(
      'import subprocess as s,sys\nprint(s.run(["sort","-r"],input=b"a\\nb\\n",stdout=s.PIPE).stdout)\np=s.Popen([sys.executable,"-c","import time; time.sleep(9)"]); p.terminate(); print(p.wait())\nprint(s.getoutput("echo $((6*7))"))\ntry: s.run(["sleep","9"],timeout=0.2)\nexcept s.TimeoutExpired as e: print(type(e).__name__)',
    ),
  },
  {
    name: 'multiprocessing',
    run: ['/usr/bin/python3', 'pool.py'],
    files: {
      'pool.py':
        'import multiprocessing as m\ndef f(x): return x*x\nif __name__=="__main__":\n  with m.Pool(4) as p: print(sum(p.map(f,range(200))))\n  q=m.Queue(); p=m.Process(target=q.put,args=(42,)); p.start(); print(q.get()); p.join(); print(p.exitcode)\n',
    },
  },
  {
    name: 'sqlite3',
    run: python(
      'import sqlite3\nc=sqlite3.connect("x.db"); c.execute("create table t(a integer primary key,b text)")\nc.executemany("insert into t(b) values(?)",[(str(i*i),) for i in range(1000)]); c.commit()\nprint(c.execute("select count(*),sum(a),max(length(b)) from t").fetchone()); c.close()\nprint(sqlite3.connect("x.db").execute("pragma integrity_check").fetchone())',
    ),
  },
  {
    name: 'ssl, socket pairs, select',
    run: python(
      'import ssl,socket,select,os\nprint(ssl.OPENSSL_VERSION.split()[0], ssl.create_default_context().verify_mode)\na,b=socket.socketpair(); a.send(b"ping"); print(select.select([b],[],[],1)[0]==[b], b.recv(10))\nr,w=os.pipe(); os.write(w,b"x"); p=select.poll(); p.register(r); print(p.poll(0)[0][1]&1)',
    ),
  },
  {
    name: 'asyncio',
    run: python(
      'import asyncio\nasync def f(n):\n  await asyncio.sleep(0.01*n); return n\nasync def main():\n  print(await asyncio.gather(*[f(i) for i in range(5)]))\n  p=await asyncio.create_subprocess_exec("cat",stdin=-1,stdout=-1); print((await p.communicate(b"hi"))[0])\nasyncio.run(main())',
    ),
  },
  {
    name: 'signals and timers',
    run: python(
      'import signal,time,os\nn=[0]\ndef h(s,f): n[0]+=1\nsignal.signal(signal.SIGALRM,h); signal.setitimer(signal.ITIMER_REAL,0.02,0.02)\nwhile n[0]<5: signal.pause()\nsignal.setitimer(signal.ITIMER_REAL,0); print(n[0]>=5)\nsignal.signal(signal.SIGUSR1,h); os.kill(os.getpid(),signal.SIGUSR1); print(signal.sigtimedwait([signal.SIGUSR2],0.01))',
    ),
  },
  {
    name: 'files, mmap, tempfile, os.walk',
    run: python(
      'import os,mmap,tempfile,shutil\nopen("f","w").write("hello world"*1000)\nwith open("f","r+b") as f:\n  m=mmap.mmap(f.fileno(),0); m[0:5]=b"HELLO"; print(m.find(b"world"),len(m)); m.flush(); m.close()\nprint(open("f").read(11)); os.makedirs("a/b/c"); shutil.copy("f","a/b"); print(sorted((d,len(x)) for d,_,x in os.walk(".")))\nwith tempfile.TemporaryDirectory() as t: print(os.path.isdir(t))\nos.rename("f","g"); print(os.stat("g").st_size)',
    ),
  },
  {
    name: 'decimal, floats, struct, random',
    run: python(
      'import decimal,struct,random,zlib,bz2,lzma\nprint(decimal.Decimal(2).sqrt(), struct.pack("<dqf",1.5,-2,0.1).hex()); random.seed(7); print(random.random(), random.sample(range(100),5))\nd=bytes(range(256))*50\nprint(zlib.crc32(d), len(zlib.compress(d,9)), len(bz2.compress(d)), len(lzma.compress(d)))',
    ),
  },
  {
    name: 'an exception and its status',
    run: python(
      'import sys\ndef f(): return 1/0\ntry: f()\nexcept ZeroDivisionError as e: print("caught", e)\nsys.exit(3)',
    ),
  },
]);

programs('perl, lua, sqlite3', [
  {
    name: 'perl',
    run: [
      '/usr/bin/perl',
      '-e',
      'use strict; my %h; $h{$_ % 7} += $_ for 1..1000; print "$_=$h{$_}\\n" for sort keys %h; my $t = join ",", map { sprintf "%03d", $_ * 3 } grep { $_ & 1 } 1..9; print "$t\\n"; $t =~ s/(\\d)(\\d)/$2$1/g; print "$t ", length $t, "\\n"; print `echo sub`; local $SIG{ALRM} = sub { print "alarm\\n" }; alarm 1; sleep 3;',
    ],
  },
  {
    name: 'perl fork and pipes',
    run: [
      '/usr/bin/perl',
      '-MPOSIX',
      '-e',
      'pipe(R,W); if (my $p = fork) { close W; print while <R>; waitpid $p, 0; print $? >> 8, "\\n" } else { close R; print W "child\\n"; close W; POSIX::_exit(9) } printf "%.15g %s\\n", exp(1), strftime("%F", gmtime 0)',
    ],
  },
  {
    name: 'lua',
    run: [
      '/usr/bin/lua5.4',
      '-e',
      'local t = {} for i = 1, 2000 do t[i] = (i * 7919) % 2003 end table.sort(t) print(t[1], t[1000], #t) print(string.format("%.14g %d %s", math.sin(1), 1 << 40, ("x"):rep(5))) print(pcall(error, "oops")) for w in ("a b c"):gmatch("%a") do io.write(w, ";") end print() local co = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end) print(co(), co(), co()) print(2^53, 7 // 2, 7 % -3, 1e15)',
    ],
  },
  {
    name: 'sqlite3 shell',
    run: 'sqlite3 x.db "create table t(a,b); with recursive c(x) as (select 1 union all select x+1 from c where x<5000) insert into t select x, x*x%1009 from c; create index i on t(b); select count(*), sum(b), avg(a) from t where b<500; explain query plan select * from t where b=5;"; sqlite3 x.db "select b, count(*) from t group by b order by 2 desc, 1 limit 3; pragma integrity_check"',
  },
  {
    name: 'a database survives',
    run: 'sqlite3 y.db "pragma journal_mode=wal; create table t(a); insert into t values(1),(2)"; sqlite3 y.db "select sum(a) from t; begin; insert into t values(5); rollback; select count(*) from t"',
  },
  {
    name: 'gnugo plays itself',
    run: ['/usr/games/gnugo', '--mode', 'gtp', '--level', '1', '--boardsize', '9', '--seed', '42'],
    stdin: `boardsize 9\n${'genmove black\ngenmove white\n'.repeat(12)}showboard\nfinal_score\nquit\n`,
    timeout: 300_000,
  },
]);
