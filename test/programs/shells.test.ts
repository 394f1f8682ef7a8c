import { programs } from '../support/program.ts';

programs('bash', [
  {
    name: 'process substitution',
    run: 'diff <(printf "a\\nb\\n") <(printf "a\\nc\\n"); echo $?; cat <(echo one) <(echo two)',
  },
  {
    name: 'coproc',
    run: 'coproc bc_like { while read -r a b; do echo $((a + b)); done; }; echo 3 4 >&${bc_like[1]}; read -r x <&${bc_like[0]}; echo $x',
  },
  {
    name: 'traps and signals',
    run: 'trap "echo usr1" USR1; trap "echo exit" EXIT; kill -USR1 $$; (trap "echo sub" TERM; kill -TERM $BASHPID; echo after)',
  },
  { name: 'read with a timeout', run: 'read -t 0.2 x < <(sleep 2); echo $?; echo hello | { read -t 1 y; echo $y; }' },
  {
    name: 'arrays and expansions',
    run: 'declare -A m=([a]=1 [b]=2); for k in $(printf "%s\\n" "${!m[@]}" | sort); do echo $k=${m[$k]}; done; x=(one two three); echo ${#x[@]} ${x[@]:1} ${x[-1]^^} ${x[0]/n/N}; printf "%q\\n" "a b"',
  },
  {
    name: 'here-strings, pipefail, regular expressions',
    run: 'set -o pipefail; false | true; echo $?; [[ 2024-05-06 =~ ^([0-9]+)-([0-9]+) ]] && echo ${BASH_REMATCH[2]}; tr a-z A-Z <<< shout; mapfile -t l < <(seq 3); echo ${l[@]}',
  },
  {
    name: 'job control and wait -n',
    run: 'set -m; sleep 3 & (exit 7) & wait -n; echo $?; wait; jobs; sleep 5 & kill %%; wait %%; echo $?',
  },
  { name: 'deep recursion', run: 'f() { if (($1 > 0)); then f $(($1 - 1)); else echo bottom; fi; }; f 400' },
  {
    name: 'many processes',
    run: 'for i in $(seq 60); do /bin/true & done; wait; echo done; seq 100 | xargs -n 5 -P 4 echo | sort -n | md5sum',
  },
  {
    name: 'a script file',
    run: ['./script', 'x', 'y z'],
    files: { script: '#!/bin/bash\necho "$0" $# "$2"\nexit 5\n' },
  },
  {
    name: 'redirections',
    run: 'exec 3>out 4>&1; echo three >&3; echo four >&4; ls -l /proc/self/fd | wc -l; { echo e >&2; } 2>err; cat out err; echo $(<out)',
  },
  { name: 'large pipe', run: 'head -c 20000000 /dev/zero | tr "\\0" x | md5sum' },
  { name: 'ulimit and nice', run: 'ulimit -n 64; ulimit -n; nice -n 5 nice; umask 027; touch f; stat -c %a f' },
]);

programs('dash', [
  { name: 'a loop', shell: ['/bin/dash', '-c'], run: 'i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done; echo $i' },
  {
    name: 'pipes and substitutions',
    shell: ['/bin/dash', '-c'],
    run: 'set -- $(seq 5 | sort -r); echo "$@"; echo $(echo a | tr a b) | cat | cat',
  },
]);
