/** Four layers that enter and leave getppid: what `npm run bench syscalls` measures the cost of. */
import { layer } from 'tallship';

let inside = 0;

export default [1, 2, 3, 4].map((n) =>
  layer(`count-${n}`, {
    getppid: {
      enter() {
        inside++;
      },
      exit() {
        inside--;
        if (inside < 0) throw new Error('left more often than entered');
      },
    },
  }),
);
