-- The same content in fewer bytes.

-- Times count from 2030 instead of 1970: six bytes instead of eight, in the rows and in every index behind them.
CREATE TABLE entry_new (
    pos         INTEGER PRIMARY KEY,
    ws          INTEGER NOT NULL,
    occurred_at INTEGER NOT NULL,      -- microseconds since 2030
    recorded_at INTEGER NOT NULL,      -- microseconds since 2030
    shape       INTEGER NOT NULL,
    actor       INTEGER NOT NULL,      -- key of the actor's id
    kind        INTEGER NOT NULL,      -- leaf kind
    id          BLOB NOT NULL,
    seed        BLOB NOT NULL,
    payload     BLOB NOT NULL
);
INSERT INTO entry_new
SELECT pos, ws, occurred_at - 1893456000000000, recorded_at - 1893456000000000, shape, actor, kind, id, seed, payload
FROM entry ORDER BY pos;
DROP TABLE entry;
ALTER TABLE entry_new RENAME TO entry;
CREATE UNIQUE INDEX entry_id ON entry (ws, id);
CREATE INDEX entry_time ON entry (ws, occurred_at);
CREATE INDEX entry_actor ON entry (actor, occurred_at);
CREATE INDEX entry_shape ON entry (shape, occurred_at);

CREATE TABLE touch_new (
    key         INTEGER NOT NULL,
    occurred_at INTEGER NOT NULL,      -- microseconds since 2030
    pos         INTEGER NOT NULL,
    PRIMARY KEY (key, occurred_at, pos)
) WITHOUT ROWID;
INSERT INTO touch_new
SELECT key, occurred_at - 1893456000000000, pos FROM touch ORDER BY key, occurred_at, pos;
DROP TABLE touch;
ALTER TABLE touch_new RENAME TO touch;

-- A tile that still grows changes its length with every batch, so it stands apart: the pages of full ones stay full.
CREATE TABLE growing (
    ws     INTEGER NOT NULL,
    level  INTEGER NOT NULL,
    number INTEGER NOT NULL,
    hashes BLOB NOT NULL,
    PRIMARY KEY (ws, level)
);
INSERT INTO growing SELECT ws, level, number, hashes FROM tile WHERE length(hashes) < 8192;
DELETE FROM tile WHERE length(hashes) < 8192;

-- Without a row per entry that says how long its text is. In return a text must be told again to be forgotten: whoever
-- changes what the words of an entry are has to fill this table anew.
ALTER TABLE words RENAME TO words_old;
CREATE VIRTUAL TABLE temp.words_seen USING fts5vocab(main, words_old, instance);
CREATE VIRTUAL TABLE words USING fts5 (
    text,
    content = '',
    columnsize = 0,
    detail = none,
    tokenize = "unicode61 remove_diacritics 0 tokenchars '_'"
);
INSERT INTO words (rowid, text)
SELECT doc, group_concat(term, ' ') FROM temp.words_seen GROUP BY doc ORDER BY doc;
DROP TABLE temp.words_seen;
DROP TABLE words_old;
