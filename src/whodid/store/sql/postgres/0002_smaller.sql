-- What SQLite gains by its second step is in the first one here, or in no lay-out of ours: integers have one size, and
-- words are kept without a length. The numbers stay equal, and what changed for both is said where people look.
COMMENT ON COLUMN whodid.entry.seed IS
    'random bytes (16; 32 in entries of earlier releases), or what stays of them after an erasure';
