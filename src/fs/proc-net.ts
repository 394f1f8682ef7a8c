/** /proc/net: the sockets of the machine's own network. */
import type { Inode } from '../vfs/inode.ts';
import { type Maker, ProcDirectory, type ProcFs, ProcText } from './proc.ts';

const header =
  (text: string): Maker =>
  (fs) =>
    new ProcText(fs, 0o444, () => text);

const INET = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
const INET6 =
  '  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';

const TABLE: Record<string, Maker> = {
  dev: header(
    'Inter-|   Receive                                                |  Transmit\n' +
      ' face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n' +
      '    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0\n',
  ),
  if_inet6: header('00000000000000000000000000000001 01 80 10 80       lo\n'),
  route: header(
    'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT                                                       \n',
  ),
  tcp: header(INET),
  tcp6: header(INET6),
  udp: header(INET),
  udp6: header(INET6),
  unix: header('Num       RefCount Protocol Flags    Type St Inode Path\n'),
};

export function makeNet(fs: ProcFs): Inode {
  return new ProcDirectory(fs, TABLE);
}
