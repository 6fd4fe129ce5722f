-- The log of many workspaces in one PostgreSQL database.
--
-- A workspace has a number (ws), 63 bits of a keyed hash of its name: no counter is shared between workspaces, and it is
-- the first column of every key, so that the tables can be distributed by it. Ids in search columns are keyed hashes as
-- well: they only ever narrow a search, the entry itself decides.
--
-- Everything that belongs to entries is partitioned by the week of recording. The program makes the partitions; a week
-- whose entries are all purged is dropped as a whole.

CREATE TABLE whodid.setting (
    name  text PRIMARY KEY,
    value bytea NOT NULL
);

CREATE TABLE whodid.dictionary (
    number   integer PRIMARY KEY,       -- first byte of every payload that needs it
    bytes    bytea NOT NULL,
    checksum bytea NOT NULL             -- SHA-256: damage that no payload shows yet must be found all the same
);

CREATE TABLE whodid.log (
    ws   bigint PRIMARY KEY,
    name text NOT NULL,
    size bigint NOT NULL,               -- of the head, for figures over all workspaces
    head bytea                          -- NULL until the first entry; this row is the lock that appends take
) WITH (fillfactor = 50);

CREATE TABLE whodid.segment (
    ws     bigint NOT NULL,
    number bigint NOT NULL,
    start  bigint NOT NULL,             -- index of its first entry
    salt   bytea NOT NULL,
    PRIMARY KEY (ws, number)
);

-- Seals stay for ever: each is the link between its neighbours.
CREATE TABLE whodid.seal (
    ws     bigint NOT NULL,
    number bigint NOT NULL,             -- of the segment
    index  bigint NOT NULL,             -- of the entry that carries it
    bytes  bytea NOT NULL,
    PRIMARY KEY (ws, number)
);

-- The index of a sealed segment, compressed; it goes with the segment's salt.
CREATE TABLE whodid.postings (
    ws     bigint NOT NULL,
    number bigint NOT NULL,             -- of the segment
    bytes  bytea STORAGE EXTERNAL NOT NULL,
    PRIMARY KEY (ws, number)
);

CREATE TABLE whodid.entry (
    ws          bigint NOT NULL,
    index       bigint NOT NULL,
    recorded_at bigint NOT NULL,        -- microseconds since 1970
    occurred_at bigint NOT NULL,        -- microseconds since 1970
    actor       bigint NOT NULL,        -- key of the actor's id
    resource    bigint NOT NULL,        -- key of the resource's id
    shape       integer NOT NULL,
    kind        smallint NOT NULL,      -- leaf kind
    id          bytea NOT NULL,
    seed        bytea NOT NULL,
    payload     bytea STORAGE EXTERNAL NOT NULL, -- compressed already
    words       tsvector NOT NULL,      -- each token behind three characters of the workspace's number
    PRIMARY KEY (ws, index, recorded_at)
) PARTITION BY RANGE (recorded_at);
CREATE INDEX entry_time ON whodid.entry (ws, occurred_at, index);
CREATE INDEX entry_actor ON whodid.entry (ws, actor, occurred_at, index);
CREATE INDEX entry_resource ON whodid.entry (ws, resource, occurred_at, index);
CREATE INDEX entry_shape ON whodid.entry (ws, shape, occurred_at, index);
-- May be dropped where nobody searches for words, for faster writing: lists by words then go through the entries by time.
CREATE INDEX entry_words ON whodid.entry USING gin (words);

-- Which entry has an event id. Not partitioned, because an id is unique over all weeks.
CREATE TABLE whodid.entry_id (
    ws          bigint NOT NULL,
    id          bytea NOT NULL,
    index       bigint NOT NULL,
    recorded_at bigint NOT NULL,
    PRIMARY KEY (ws, id)
);

-- Which entries touched a resource as a related one.
CREATE TABLE whodid.touch (
    ws          bigint NOT NULL,
    key         bigint NOT NULL,
    occurred_at bigint NOT NULL,
    index       bigint NOT NULL,
    recorded_at bigint NOT NULL,
    PRIMARY KEY (ws, key, occurred_at, index, recorded_at)
) PARTITION BY RANGE (recorded_at);
CREATE INDEX touch_entry ON whodid.touch (ws, index);

-- The combinations of low-cardinality values that occur: what roll-ups count by.
CREATE TABLE whodid.shape (
    ws     bigint NOT NULL,
    number integer NOT NULL,
    value  bytea NOT NULL,
    PRIMARY KEY (ws, number),
    UNIQUE (ws, value)
);

-- How many entries occurred in a bucket of time, per shape and per actor. Shapes are counted by quarter of an hour, the
-- grid on which the days of every time zone begin, and both again by day of UTC for long periods.
CREATE TABLE whodid.tally (
    ws     bigint NOT NULL,
    scale  smallint NOT NULL,           -- shape by 0 day, 1 hour, 2 quarter; actor by 3 day, 4 hour
    bucket integer NOT NULL,            -- number of that unit of time since 1970
    value  bigint NOT NULL,             -- shape number or key of the actor
    n      bigint NOT NULL,
    PRIMARY KEY (ws, scale, bucket, value)
) WITH (fillfactor = 70);

-- Hashes of a tile, in pieces as they came; a tile that is complete is one piece.
CREATE TABLE whodid.tile (
    ws     bigint NOT NULL,
    level  smallint NOT NULL,
    number bigint NOT NULL,
    start  smallint NOT NULL,           -- place of the first hash of this piece
    hashes bytea STORAGE EXTERNAL NOT NULL,
    PRIMARY KEY (ws, level, number, start)
);

CREATE TABLE whodid.state (
    ws    bigint NOT NULL,
    name  text NOT NULL,
    value bytea NOT NULL,
    PRIMARY KEY (ws, name)
);

-- The second wall between workspaces: a statement that forgets its workspace, or names another than the one that its
-- transaction was begun for, sees nothing and writes nothing. FORCE, because the program owns the tables.
CREATE FUNCTION whodid.workspace() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('whodid.workspace', true), '')::bigint;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'log', 'segment', 'seal', 'postings', 'entry', 'entry_id', 'touch', 'shape', 'tally', 'tile', 'state'
    ] LOOP
        EXECUTE format('ALTER TABLE whodid.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE whodid.%I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own ON whodid.%I USING (ws = whodid.workspace())', name);
    END LOOP;
END
$$;

-- Which workspaces there are is asked in a transaction of its own kind, which can read nothing else.
CREATE POLICY listing ON whodid.log FOR SELECT USING (current_setting('whodid.listing', true) = 'on');
