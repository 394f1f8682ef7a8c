/** memfd_create(2). */
import { EINVAL } from '../src/abi/errno.ts';
import { F_SEAL_SEAL, makeMemfd } from '../src/fs/memfd.ts';
import { cstring, flags, syscall } from '../src/syscall/index.ts';

const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const MFD_HUGETLB = 4;
const MFD_NOEXEC_SEAL = 8;
const MFD_EXEC = 16;
const F_SEAL_EXEC = 32;
const NAME_MAX = 250;

export const memfd_create = syscall(
  356,
  'memfd_create',
  [
    cstring('name', NAME_MAX, EINVAL),
    flags('flags', { MFD_CLOEXEC, MFD_ALLOW_SEALING, MFD_HUGETLB, MFD_NOEXEC_SEAL, MFD_EXEC }),
  ],
  (task, name, bits) => {
    const exclusive = MFD_NOEXEC_SEAL | MFD_EXEC;
    if ((bits & ~(MFD_CLOEXEC | MFD_ALLOW_SEALING | exclusive)) !== 0 || (bits & exclusive) === exclusive)
      return -EINVAL;
    const sealing = (bits & (MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL)) !== 0;
    const noExec = (bits & MFD_NOEXEC_SEAL) !== 0;
    const { fsuid: uid, fsgid: gid } = task.credentials;
    const seals = (sealing ? 0 : F_SEAL_SEAL) | (noExec ? F_SEAL_EXEC : 0);
    const file = makeMemfd(task, task.kernel.shm, task.namespace, name, {
      mode: noExec ? 0o666 : 0o777,
      uid,
      gid,
      seals,
    });
    return task.files.install(file, { cloexec: (bits & MFD_CLOEXEC) !== 0 });
  },
  { class: 'memory', level: 'partial', note: 'no huge pages; F_SEAL_WRITE is EBUSY while any shared mapping exists' },
);
