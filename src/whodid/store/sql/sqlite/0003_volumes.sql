-- Segments that are bound under one index.

-- Volumes stay for ever, as seals do.
CREATE TABLE volume (
    ws     INTEGER NOT NULL,
    number INTEGER NOT NULL,
    first  INTEGER NOT NULL,           -- number of its first segment
    pos    INTEGER NOT NULL,           -- of the entry that carries it
    bytes  BLOB NOT NULL,
    PRIMARY KEY (ws, number)
) WITHOUT ROWID;

-- The salt and the compressed index of a volume; they go with the first of its segments.
CREATE TABLE volume_index (
    ws     INTEGER NOT NULL,
    number INTEGER NOT NULL,
    first  INTEGER NOT NULL,           -- number of its first segment
    salt   BLOB NOT NULL,
    bytes  BLOB NOT NULL,
    PRIMARY KEY (ws, number)
);

-- The tags of a sealed segment under the salt of the next volume, in the order of its index, until it is bound.
CREATE TABLE second (
    ws     INTEGER NOT NULL,
    number INTEGER NOT NULL,           -- of the segment
    bytes  BLOB NOT NULL,
    PRIMARY KEY (ws, number)
);
