/** The machine's own terminal, for `tallship attach`: after the result the connection is its keyboard and screen. */
import type { ControlCommand } from './commands.ts';

/** A viewer that is so far behind is let go: the machine does not wait for it. */
const BEHIND = 4 << 20;

export const attachScreen: ControlCommand = ({ screen }, _arguments, connection) => {
  if (screen === undefined)
    throw new Error('it has no terminal of its own (run -d --tty makes one); see tallship logs -f');
  connection.takeOver((socket) => {
    const leave = screen.attach((bytes) => {
      socket.write(bytes);
      if (socket.writableLength > BEHIND) socket.destroy();
    });
    socket.on('data', (data) => screen.type(data));
    socket.on('close', leave);
    socket.resume();
  });
  return null;
};

export const resizeScreen: ControlCommand = ({ screen }, { rows, columns }) => {
  const sane = (n: unknown) => Number.isInteger(n) && (n as number) >= 0 && (n as number) < 65536;
  if (!sane(rows) || !sane(columns)) throw new Error('no such window size');
  screen?.resize(rows as number, columns as number);
};
