CREATE TABLE IF NOT EXISTS guests (
    domid INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL UNIQUE,
    paused INTEGER NOT NULL,
    memory_kb INTEGER NOT NULL,
    vcpus INTEGER NOT NULL,
    scheduling TEXT NOT NULL -- JSON
) STRICT;

-- What is held for devices.
CREATE TABLE IF NOT EXISTS held (
    domid INTEGER NOT NULL,
    uuid TEXT NOT NULL,
    folder TEXT NOT NULL,
    device TEXT NOT NULL,
    medium TEXT NOT NULL,
    PRIMARY KEY (domid, uuid, folder, device)
) STRICT, WITHOUT ROWID;
