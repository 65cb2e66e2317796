CREATE TABLE guests (
    domid INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL UNIQUE,
    paused INTEGER NOT NULL,
    memory_kb INTEGER NOT NULL,
    vcpus INTEGER NOT NULL,
    scheduling TEXT NOT NULL, -- JSON
    checksum INTEGER NOT NULL -- of the columns before it
) STRICT;

-- What is held for devices.
CREATE TABLE held (
    domid INTEGER NOT NULL,
    uuid TEXT NOT NULL,
    folder TEXT NOT NULL,
    device TEXT NOT NULL,
    medium TEXT NOT NULL,
    checksum INTEGER NOT NULL,
    PRIMARY KEY (domid, uuid, folder, device)
) STRICT, WITHOUT ROWID;

-- Domains that the hypervisor has ended, the last ones: only of such a domain a file may be removed.
CREATE TABLE ended (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    domid INTEGER NOT NULL,
    uuid TEXT NOT NULL,
    checksum INTEGER NOT NULL, -- of domid and uuid
    UNIQUE (domid, uuid)
) STRICT;
