CREATE TABLE counter (
    last_generation INTEGER NOT NULL
) STRICT;

INSERT INTO counter VALUES (0);

CREATE TABLE nodes (
    path TEXT PRIMARY KEY,
    value BLOB NOT NULL,
    permissions TEXT NOT NULL, -- as in "n0 r3"
    children TEXT NOT NULL, -- names, in the order in which they were made
    generation INTEGER NOT NULL,
    ignored TEXT NOT NULL, -- domains whose entries in `permissions` count no longer
    owner INTEGER NOT NULL,
    checksum INTEGER NOT NULL -- of the columns before it
) STRICT, WITHOUT ROWID;

CREATE INDEX nodes_owner ON nodes (owner);

-- What watches are told of; only the newest rows are kept.
CREATE TABLE changes (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    path TEXT NOT NULL,
    exact INTEGER NOT NULL,
    visible TEXT NOT NULL -- as in "n0 r3/n0"
) STRICT;
