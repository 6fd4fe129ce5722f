-- Segments that are bound under one index.

-- Volumes stay for ever, as seals do.
CREATE TABLE whodid.volume (
    ws     bigint NOT NULL,
    number bigint NOT NULL,
    first  bigint NOT NULL,             -- number of its first segment
    index  bigint NOT NULL,             -- of the entry that carries it
    bytes  bytea NOT NULL,
    PRIMARY KEY (ws, number)
);

-- The salt and the compressed index of a volume; they go with the first of its segments.
CREATE TABLE whodid.volume_index (
    ws     bigint NOT NULL,
    number bigint NOT NULL,
    first  bigint NOT NULL,             -- number of its first segment
    salt   bytea NOT NULL,
    bytes  bytea STORAGE EXTERNAL NOT NULL,
    PRIMARY KEY (ws, number)
);

-- The tags of a sealed segment under the salt of the next volume, in the order of its index, until it is bound.
CREATE TABLE whodid.second (
    ws     bigint NOT NULL,
    number bigint NOT NULL,             -- of the segment
    bytes  bytea STORAGE EXTERNAL NOT NULL,
    PRIMARY KEY (ws, number)
);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['volume', 'volume_index', 'second'] LOOP
        EXECUTE format('ALTER TABLE whodid.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE whodid.%I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own ON whodid.%I USING (ws = whodid.workspace())', name);
    END LOOP;
END
$$;
