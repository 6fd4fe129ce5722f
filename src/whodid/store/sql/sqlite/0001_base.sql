-- The log of many workspaces in one file.
--
-- A workspace has a small number (ws). Positions and hashed keys carry it in their upper bits, so that everything of one
-- workspace is one contiguous range of each B-tree:
--   pos = ws << 40 | index          key = ws << 40 | 40 bits of a keyed hash of an id
-- A hash may collide: it only ever narrows a search, the entry itself decides.

CREATE TABLE setting (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE log (
    ws   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    head BLOB                          -- NULL until the first entry
);

CREATE TABLE segment (
    ws     INTEGER NOT NULL,
    number INTEGER NOT NULL,
    start  INTEGER NOT NULL,           -- index of its first entry
    salt   BLOB NOT NULL,
    PRIMARY KEY (ws, number)
) WITHOUT ROWID;

-- Seals stay for ever: each is the link between its neighbours.
CREATE TABLE seal (
    ws     INTEGER NOT NULL,
    number INTEGER NOT NULL,           -- of the segment
    pos    INTEGER NOT NULL,           -- of the entry that carries it
    bytes  BLOB NOT NULL,
    PRIMARY KEY (ws, number)
) WITHOUT ROWID;

-- The index of a sealed segment, compressed; it goes with the segment's salt.
CREATE TABLE postings (
    ws     INTEGER NOT NULL,
    number INTEGER NOT NULL,           -- of the segment
    bytes  BLOB NOT NULL,
    PRIMARY KEY (ws, number)
);

CREATE TABLE dictionary (
    number   INTEGER PRIMARY KEY,      -- first byte of every payload that needs it
    bytes    BLOB NOT NULL,
    checksum BLOB NOT NULL             -- SHA-256: damage that no payload shows yet must be found all the same
);

CREATE TABLE entry (
    pos         INTEGER PRIMARY KEY,
    ws          INTEGER NOT NULL,
    occurred_at INTEGER NOT NULL,      -- microseconds since 1970
    recorded_at INTEGER NOT NULL,
    shape       INTEGER NOT NULL,
    actor       INTEGER NOT NULL,      -- key of the actor's id
    kind        INTEGER NOT NULL,      -- leaf kind
    id          BLOB NOT NULL,
    seed        BLOB NOT NULL,
    payload     BLOB NOT NULL
);
CREATE UNIQUE INDEX entry_id ON entry (ws, id);
CREATE INDEX entry_time ON entry (ws, occurred_at);
CREATE INDEX entry_actor ON entry (actor, occurred_at);
CREATE INDEX entry_shape ON entry (shape, occurred_at);

-- Which entries touched a resource, as the resource or as a related one.
CREATE TABLE touch (
    key         INTEGER NOT NULL,
    occurred_at INTEGER NOT NULL,
    pos         INTEGER NOT NULL,
    PRIMARY KEY (key, occurred_at, pos)
) WITHOUT ROWID;

-- The combinations of low-cardinality values that occur: what roll-ups count by.
CREATE TABLE shape (
    number INTEGER PRIMARY KEY,
    ws     INTEGER NOT NULL,
    value  BLOB NOT NULL,
    UNIQUE (ws, value)
);

-- How many entries occurred in a bucket of time, per shape and per actor. Shapes are counted by quarter of an hour, the
-- grid on which the days of every time zone begin, and both again by day of UTC for long periods.
CREATE TABLE tally (
    ws     INTEGER NOT NULL,
    scale  INTEGER NOT NULL,           -- shape by 0 day, 1 hour, 2 quarter; actor by 3 day, 4 hour
    bucket INTEGER NOT NULL,           -- number of that unit of time since 1970
    value  INTEGER NOT NULL,           -- shape number or key of the actor
    n      INTEGER NOT NULL,
    PRIMARY KEY (ws, scale, bucket, value)
) WITHOUT ROWID;

CREATE TABLE tile (
    ws     INTEGER NOT NULL,
    level  INTEGER NOT NULL,
    number INTEGER NOT NULL,
    hashes BLOB NOT NULL,
    PRIMARY KEY (ws, level, number)
);

CREATE TABLE state (
    ws    INTEGER NOT NULL,
    name  TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (ws, name)
) WITHOUT ROWID;

-- Tokens are [a-z0-9_] already (see the query room), so the tokenizer only has to split at spaces.
CREATE VIRTUAL TABLE words USING fts5 (
    text,
    content = '',
    contentless_delete = 1,
    detail = none,
    tokenize = "unicode61 remove_diacritics 0 tokenchars '_'"
);
