import type { Lsn } from '../../../src/domain/lsn.ts';
import type { PgServer } from '../pg-server.ts';

// What PostgreSQL can tell of two servers' WAL: the numbers of their timelines and where those end. Whether the WAL really
// is the same, it does not look at.

interface Piece {
  readonly timeline: number;
  readonly end: Lsn;
}

function piecesOf(server: PgServer): readonly Piece[] {
  const pieces: Piece[] = [];
  let end = server.position > server.received ? server.position : server.received;
  for (let branch = server.branch.at(end); ;) {
    pieces.unshift({ timeline: branch.timeline, end });
    if (branch.parent === null) return pieces;
    end = branch.forkLsn;
    branch = branch.parent;
  }
}

/** Why `standby` cannot stream from `upstream`, by numbers alone; null = it can. */
export function refusalByNumber(standby: PgServer, upstream: PgServer): string | null {
  const { timeline } = standby.branch.at(standby.received);
  const pieces = piecesOf(upstream);
  const at = pieces.findIndex((piece) => piece.timeline === timeline);
  const piece = pieces[at];
  if (piece === undefined) return 'requested timeline is not in this server’s history';
  if (standby.received <= piece.end) return null;
  return at === pieces.length - 1
    ? 'requested starting point is ahead of the WAL flush position'
    : 'new timeline forked off before current recovery point';
}

/** Where pg_rewind sees two lines part: the end of the last timeline that both have by number. */
export function forkByNumber(target: PgServer, source: PgServer): Lsn {
  const theirs = piecesOf(source);
  let fork = 0n;
  for (const [at, own] of piecesOf(target).entries()) {
    const other = theirs[at];
    if (other?.timeline !== own.timeline) break;
    fork = own.end < other.end ? own.end : other.end;
    if (own.end !== other.end) break;
  }
  return fork;
}
