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
| ${FRAME.welcome} | welcome | server | u32 "TSHP", u32 version, i64 session, bytes secret, u8 resumed, i64 seen, u32 uid, u32 gid, u32 count and u32 for each group, text host, u32 window |
| ${FRAME.refused} | refused | server | text: why; the connection ends |
| ${FRAME.request} | request | client | i64 id, i64 answered, u8 operation, i64 again, u32 node, the operation's parameters |
| ${FRAME.reply} | reply | server | i64 id, i64 status (0 or a negative errno), u8 attributes follow, attributes of the node after the operation, and where status is 0 the operation's answer |
| ${FRAME.ping} | ping | both | nothing; the server answers with one |
| ${FRAME.bye} | bye | client | nothing: the session is over |

## Sessions: exactly once

The client numbers its requests from 1, without gaps, and sends them without waiting, at most \`window\` that are unanswered.
The server does them in the order in which they come; requests that wait (for a lock) are answered when they are done. It keeps
each reply until a later request (\`answered\`), or a hello, says that all up to it have arrived.

When the connection is lost, the session stays for an hour. The client connects again and says hello with the session and its
secret; the server answers \`resumed\`, and \`seen\`: the last request that it has received. It sends the replies once more
that were not acknowledged; the client sends the requests after \`seen\`. So nothing is done twice, and nothing is left out.

A server that was started anew knows nothing of the session and begins a new one. The client attaches again, finds the inodes
that it uses by \`reopen\` (path, inode number, type, time of birth), and then sends what has no answer once more, with new
numbers. \`again\` holds the number that it had with the server before, or 0. What \`look\` and \`set\` operations do can be
done twice. For the others, an answer that doing it twice would give (-EEXIST, -ENOENT) is -EIO, since nobody can tell whose
doing it was; \`append\` looks at the end of the file.

## Nodes

A node is the server's number for an inode, in one session. Requests name nodes and single names, never paths of the host;
node 0 stands for no inode. The server counts how often it has told the client of a node; \`forget\` gives that back.

## Operations

Effects: \`look\` changes nothing, \`set\` can be done again, \`once\` must be done exactly once.

| Number | Name | Parameters | Answer | Effect | Meaning |
|---|---|---|---|---|---|
${table()}

## Kinds

| Kind | Layout |
|---|---|
${kinds()}
`;
}
