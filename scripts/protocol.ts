/** docs/PROTOCOL.md: the frames of files elsewhere, from their declarations. */
import { CODECS } from '../src/remote/codecs.ts';
import { FRAME, LARGEST_DATA, LARGEST_FRAME, LARGEST_HELLO, VERSION } from '../src/remote/frames.ts';
import { REMOTE_OPERATIONS, type WireOperation } from '../src/remote/operations.ts';

const operations = Object.entries(REMOTE_OPERATIONS) as [string, WireOperation][];

function table(): string {
  return operations
    .map(([name, { number, parameters, answer, effect, describe }]) => {
      const list = parameters.map(([parameter, kind]) => `${kind} ${parameter}`).join(', ');
      return `| ${number} | ${name} | ${list} | ${answer} | ${effect} | ${describe} |`;
    })
    .join('\n');
}

function kinds(): string {
  return Object.entries(CODECS)
    .map(([kind, { layout }]) => `| ${kind} | ${layout} |`)
    .join('\n');
}

export function protocol(): string {
  return `# The protocol between run --remote and serve

Written by \`npm run docs\` from src/remote. Version ${VERSION}.

One connection carries bytes both ways, in order: a UNIX or TCP socket, TLS, a WebSocket, the standard input and output of a
process. Over it go frames. All numbers are little-endian.

    u32 length of what follows the type    u8 type    ...

A frame is at most ${LARGEST_FRAME} bytes long, of which at most ${LARGEST_DATA} are contents of a file; before the hello was
accepted, ${LARGEST_HELLO}. Anything that is not as it is described here ends the connection.

| Type | Name | From | Holds |
|---|---|---|---|
| ${FRAME.hello} | hello | client | u32 "TSHP", u32 version, bytes token, i64 session (0: a new one), bytes secret, i64 answered |
| ${FRAME.welcome} | welcome | server | u32 "TSHP", u32 version, i64 session, bytes secret, u8 resumed, i64 seen, u32 uid, u32 gid, u32 count and u32 for each group, text host, u32 window, bytes challenge |
| ${FRAME.refused} | refused | server | text: why; the connection ends |
| ${FRAME.request} | request | client | i64 id, i64 answered, u8 operation, i64 key, u8 again, u32 node, the operation's parameters |
| ${FRAME.reply} | reply | server | i64 id, i64 status (0 or a negative errno), u8 attributes follow, attributes of the node after the operation, and where status is 0 the operation's answer |
| ${FRAME.ping} | ping | both | nothing; the server answers with one |
| ${FRAME.bye} | bye | client | nothing: the session is over |
| ${FRAME.ready} | ready | client | bytes: the welcome's challenge; requests may follow at once |

## Sessions: exactly once

The client numbers its requests from 1, without gaps, and sends them without waiting, at most \`window\` that are unanswered.
The server does them in the order in which they come; requests that wait (for a lock) are answered when they are done. It keeps
each reply until a later request (\`answered\`), or a hello, says that all up to it have arrived.

When the connection is lost, the session stays for an hour. The client connects again and says hello with the session and its
secret; the server answers \`resumed\`, and \`seen\`: the last request that it has received. With \`ready\` the session moves to
the new connection: what still comes over the old one is not looked at, and a connection whose bytes somebody sends once more
gets no further than the welcome, whose challenge it does not know. The server sends the replies once more that were not
acknowledged; the client sends the requests after \`seen\`. So nothing is done twice, and nothing is left out.

## When the server was started anew

It has no nodes, no locks and no replies of the session, and says so: not \`resumed\`. The client attaches again, finds the inodes
that it uses by \`reopen\` (path, inode number, type, time of birth), and then sends what has no answer once more, with new
numbers, but with \`key\`, its own number for the request, as before, and \`again\` set where the request was sent before.

\`tallship serve\` keeps a journal of each session in a private directory (\`$XDG_STATE_HOME/tallship/sessions\`): before an operation
that must be done exactly once, what there is (inode numbers and times of birth under the names, the size of a file that is
appended to, when the directory was changed last); after each that changes something, its answer. A server that finds the journal
of a session, with the right secret, takes the session over. Of a request that comes again,

- whose answer stands there, the answer is given once more;
- that stands there without one, what is under the names now tells whether it was done: it is done now, or answered as if. Where
  that does not tell, it is -EIO;
- of which nothing stands there, nothing was done: it is done now.

After a failure of the whole machine answers in the journal do not count, and what does not stand there may have been begun, unless
\`--durable\` has put each intent on the disk first. Where there is no journal (other servers, an earlier machine), \`look\` and
\`set\` operations are done again; for the others, an answer that doing it twice would give (-EEXIST, -ENOENT) is -EIO, since
nobody can tell whose doing it was; \`append\` looks at the end of the file.

A file that is unlinked or replaced while a client has it open is moved to a directory \`.tallship-unlinked\` at the top of the
exported tree, under its inode number and the session's; no request can name that directory, and no listing shows it. There
\`reopen\` finds it. It goes when it is closed, or when its session cannot come back.

## Nodes

A node is the server's number for an inode, in one session. Requests name nodes and single names, never paths of the host;
node 0 stands for no inode. The server counts how often it has told the client of a node; \`forget\` gives that back.

## Operations

Effects: \`look\` changes nothing, \`set\` can be done again, \`once\` must be done exactly once.

| Number | Name | Parameters | Answer | Effect | Meaning |
|---|---|---|---|---|---|
${table()}

## Forwarded calls

\`call\` makes a system call at home, if the server allows it (\`serve --allow forward:...\`). A call is framed by its declaration in
syscalls/: its inputs in their order, outputs left out; the answer has the result and the outputs in their order. -EACCES: it is not
allowed. Sockets are numbers that the client gives them; an address is the struct sockaddr_in or sockaddr_in6 of i386.

| Call | Inputs | Outputs | Meaning |
|---|---|---|---|
| uname, time, gettimeofday, clock_gettime, clock_gettime64 | as declared | as declared | of clocks only CLOCK_REALTIME |
| connect | socket, address | our address | a new socket that is connected by TCP |
| listen | socket, address, backlog | our address | a new socket that is bound and listens |
| accept4 | socket, new socket | their address, our address | answered when somebody has connected |
| sendto | socket, bytes | | answered when home's system has taken them |
| recvfrom | socket, size | bytes | answered when there are some; none: the other side has ended |
| shutdown | socket, how | | we send no more |
| close | socket | | what was sent still arrives |

## Kinds

| Kind | Layout |
|---|---|
${kinds()}
`;
}
