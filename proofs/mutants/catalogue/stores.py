"""Mistakes in the stores: the templates' files and their locks, and xenstore with its transactions."""

from __future__ import annotations

from confsync.proofs.mutants.mutant import Mutant

STORE, LOCK, FILES = "impl/templates/store.py", "impl/templates/lock.py", "impl/templates/files.py"
RETRY, CLIENT, LINK = "impl/xenstore/retry.py", "impl/xenstore/client.py", "impl/xenstore/link.py"
CHANNEL = "impl/xenstore/channel.py"
SQLITE, VIEW = "impl/xenstore/sqlite.py", "impl/xenstore/view.py"
SNAPSHOT, CHECKSUM, WAL = (f"impl/xenstore/{name}.py" for name in ("snapshot", "checksum", "wal"))
HOST, FOLDER = "impl/embedded/sqlite.py", "impl/embedded/folder.py"
READING = "impl/templates/reading.py"
EMBEDDED = "impl/embedded/templates.py"

TEMPLATES = (
    Mutant(
        "file-not-synced", STORE,
        "            self._files.fsync(descriptor)\n", "",
        "the file is not synced before it is renamed", "test_crash_store",
    ),
    Mutant(
        "folder-not-synced", STORE,
        "            self._files.fsync_folder(self.folder)\n        except BaseException",
        "        except BaseException",
        "the folder is not synced after the renaming", "test_crash_store",
    ),
    Mutant(
        "folder-synced-early", STORE,
        "            self._files.rename(next_path, path)\n            self._files.fsync_folder(self.folder)\n",
        "            self._files.fsync_folder(self.folder)\n            self._files.rename(next_path, path)\n",
        "the folder is synced before the renaming", "test_crash_store",
    ),
    Mutant(
        "written-in-place", STORE,
        "            self._write_next(next_path, text)\n            self._files.rename(next_path, path)\n",
        "            self._discard(path)\n            self._write_next(path, text)\n",
        "the template itself is written anew", "test_templates",
    ),
    Mutant(
        "renamed-before-written", STORE,
        "            self._write_next(next_path, text)\n            self._files.rename(next_path, path)\n",
        '            self._write_next(next_path, b"")\n            self._files.rename(next_path, path)\n'
        "            descriptor = self._files.open(path, os.O_WRONLY)\n"
        "            self._files.write(descriptor, text)\n            self._files.fsync(descriptor)\n"
        "            self._files.close(descriptor)\n",
        "the file is renamed and then written", "test_crash_store",
    ),
    Mutant(
        "removal-not-synced", STORE,
        '        for letter in "nd":\n'
        '            self._discard(self._path(letter, domain))\n'
        '        self._sync_folder()\n',
        '        for letter in "nd":\n            self._discard(self._path(letter, domain))\n',
        "the folder is not synced after a removal", "test_crash_store",
    ),
    Mutant(
        "failure-leaves-next", STORE,
        "            self._give_next_up(next_path)\n", "",
        "what was written of a template that failed is left", "test_crash_store",
    ),
    Mutant(
        "death-leaves-next", STORE,
        '        if self._discard(self._path("n", lock.domain)) or lock.inherited:\n',
        "        if lock.inherited:\n",
        "what a dead one had written of a template is left", "test_templates_lock",
    ),
    Mutant(
        "death-not-synced", STORE,
        '        if self._discard(self._path("n", lock.domain)) or lock.inherited:\n            self._sync_folder()\n',
        '        self._discard(self._path("n", lock.domain))\n',
        "what a dead one renamed is built on, and not on the disk", "test_crash_store",
    ),
    Mutant(
        "life-not-looked-at", STORE,
        "            if born:\n                await self._check_life(domain)\n        return lock",
        "        return lock",
        "whether the domain is alive is not looked at once the lock is got", "test_templates_lock", "a788fe0cd8",
    ),
    Mutant(
        "life-before-the-wait", STORE,
        "        lock = await take(self._files, path, domain, current_owner(self), self._waits)\n"
        "        with self._given_up_on_error(lock):\n            self._settle(lock)\n            if born:\n"
        "                await self._check_life(domain)\n        return lock",
        "        if born:\n            await self._check_life(domain)\n"
        "        lock = await take(self._files, path, domain, current_owner(self), self._waits)\n"
        "        with self._given_up_on_error(lock):\n            self._settle(lock)\n        return lock",
        "whether the domain is alive is looked at before the wait only", "test_crash_store", "a788fe0cd8",
    ),
    Mutant(
        "lock-kept-of-the-gone", STORE,
        "            with contextlib.suppress(ToolstackError):\n"
        "                give_up(self._files, lock)\n"
        "            raise",
        "            raise",
        "a lock that was got for nothing is kept", "test_templates_lock",
    ),
    Mutant(
        "removal-takes-the-lock", STORE,
        '        for letter in "nd":\n', '        for letter in "ndl":\n',
        "the lock's file is removed with the template, while the lock is held", "test_templates", "a788fe0cd8",
    ),
    Mutant(
        "replaced-without-lock", STORE,
        "        domain = self._held(lock).domain\n        path, next_path",
        "        domain = lock.domain\n"
        "        path, next_path",
        "a template is replaced by one who does not hold the lock", "test_templates_lock", "b61d5a9a76",
    ),
    Mutant(
        "folder-error-is-empty", STORE,
        "            raise CannotList(f\"{self.folder}: {in_words('list', error)}\") from error",
        "            names = []",
        "a folder that cannot be listed is taken for an empty one", "test_templates",
    ),
    Mutant(
        "no-template-is-empty", STORE,
        '            raise TemplateMissing(f"{domain} has no template: it is being created or destroyed '
        '({path})") from None',
        '            return b"{}"',
        "a domain without a template gets an empty one", "test_templates", "15e9e36ddd",
    ),
    Mutant(
        "large-is-cut", STORE,
        "            text = self._files.read(descriptor, self._most_bytes + 1)\n",
        "            text = self._files.read(descriptor, self._most_bytes)\n",
        "what is too large is read in part", "test_templates",
    ),
    Mutant(
        "strange-is-read", STORE,
        "            check_file(path, self._files.fstat(descriptor))\n            text", "            text",
        "a template that others can write is believed", "test_templates",
    ),
    Mutant(
        "inode-not-looked-at", LOCK,
        "        if files.flock(descriptor) and stands(files, path, mine):", "        if files.flock(descriptor):",
        "a lock of a file that has been removed is taken for the lock", "test_crash_store", "ad40b1fbe4",
    ),
    Mutant(
        "unlinked-after-close", LOCK,
        "        files.unlink(lock.path)\n    except OSError",
        "        files.close(lock.descriptor)\n        files.unlink(lock.path)\n    except OSError",
        "the lock's file is closed before it is removed", "test_crash_store", "ad40b1fbe4",
    ),
    Mutant(
        "unlinked-without-holding", LOCK,
        "    files.close(descriptor)\n    return None\n",
        "    files.unlink(path)\n    files.close(descriptor)\n    return None\n",
        "who did not get the lock removes its file", "test_templates_lock",
    ),
    Mutant(
        "unlinked-after-failure", LOCK,
        "        _close_quietly(files, descriptor)\n        raise\n",
        "        _close_quietly(files, descriptor)\n        files.unlink(path)\n        raise\n",
        "a lock's file is removed by one who does not know that he holds it", "test_templates",
    ),
    Mutant(
        "unlinks-another-s", LOCK,
        "        if not stands(files, lock.path, lock.identity):\n", "        if False:\n",
        "a lock that was removed is given up in place of another's", "test_templates_lock",
    ),
    Mutant(
        "lock-waits-for-itself", LOCK,
        "    if path in mine:\n", "    if False:\n",
        "who has the lock waits for it", "test_templates_lock", "031655daea, 2e8bfb0052", hangs=True,
    ),
    Mutant(
        "locks-in-any-order", LOCK,
        "    after = [other for other in mine if other > path]\n", "    after = []\n",
        "two who take two locks can wait for each other", "test_templates_lock",
    ),
    Mutant(
        "fork-holds", LOCK,
        "os.register_at_fork(after_in_child=_forget_in_child)\n", "",
        "a child of the holder holds the lock, too", "test_templates_lock",
    ),
    Mutant(
        "lock-is-shared", FILES,
        "fcntl.LOCK_EX | fcntl.LOCK_NB", "fcntl.LOCK_SH | fcntl.LOCK_NB",
        "two can hold one lock", "test_templates_lock",
    ),
    Mutant(
        "interrupted-is-failed", FILES,
        "            except InterruptedError:\n                continue\n",
        "            except InterruptedError:\n                raise\n",
        "a call that was interrupted is not made again", "test_crash_store",
    ),
    Mutant(
        "short-write-is-done", FILES,
        "            rest = rest[written:]\n", "            rest = rest[:0]\n",
        "a write in part is taken for a whole one", "test_crash_store",
    ),
    Mutant(
        "links-are-followed", FILES,
        "flags | os.O_CLOEXEC | os.O_NOFOLLOW", "flags | os.O_CLOEXEC",
        "a symbolic link is followed", "test_templates",
    ),
    Mutant(
        "memory-lock-of-the-dead", EMBEDDED,
        "        self.holders = {domain: holder for domain, holder in self.holders.items() if holder != process}\n",
        "        pass\n",
        "the lock of one who died is never free", "deaths",
    ),
    Mutant(
        "memory-lock-file-left", EMBEDDED,
        "        del self.memory.holders[lock.domain]\n        self.memory.lock_files.discard(lock.domain)\n",
        "        del self.memory.holders[lock.domain]\n",
        "the lock's file is left", "pairs", "a788fe0cd8",
    ),
)  # fmt: skip

XENSTORE = (
    Mutant(
        "retry-never-ends", RETRY,
        "            if attempt == attempts:\n                raise\n            await sleep(pause_after(attempt))\n",
        "            return await transact(xenstore, body, attempts=attempts, sleep=sleep)\n",
        "a transaction is tried again for ever", "test_xenstore_retry",
    ),
    Mutant(
        "retry-without-pause", RETRY,
        "            await sleep(pause_after(attempt))\n", "",
        "a transaction is tried again at once", "test_xenstore_retry",
    ),
    Mutant(
        "retry-stale-body", RETRY,
        "                result = await body(transaction)\n",
        "                if attempt == 1:\n                    result = await body(transaction)\n",
        "what the first run found is committed by the second", "deaths", "4600d75604",
    ),
    Mutant(
        "retry-again-is-done", RETRY,
        "            if attempt == attempts:\n                raise\n",
        "            if attempt == attempts:\n                return result\n",
        "a transaction that met others to the end is taken for committed", "test_xenstore_retry",
    ),
    Mutant(
        "retry-no-abort", RETRY,
        "        except (Exception, asyncio.CancelledError):\n"
        "            await _abort(transaction)\n"
        "            raise\n",
        "        except (Exception, asyncio.CancelledError):\n            raise\n",
        "a transaction whose body failed stays open", "test_xenstore_retry",
    ),
    Mutant(
        "retry-any-error", RETRY,
        "        except Again:\n", "        except XenstoreError:\n",
        "what xenstore refuses for good is tried again", "test_xenstore_retry",
    ),
    Mutant(
        "commit-overwrites", VIEW,
        "        met = self.stale()\n", "        met = None\n",
        "a commit does not look whether others have changed what it saw", "test_xenstore_transactions",
    ),
    Mutant(
        "commit-ignores-reads", VIEW,
        "        for path, seen in self.accessed.items():\n            node = self.table.get(path)\n",
        "        for path, seen in self.accessed.items():\n"
        "            if not seen.modified:\n"
        "                continue\n"
        "            node = self.table.get(path)\n",
        "a commit looks only at what it writes", "test_xenstore_transactions",
    ),
    Mutant(
        "commit-of-the-spoilt", VIEW,
        "        if self.spoilt:\n", "        if False:\n",
        "a transaction is committed one of whose requests failed", "test_xenstore_transactions",
    ),
    Mutant(
        "generation-kept", VIEW,
        "        self.table.put(path, node.at(self.table.next_generation()))\n\n    def delete",
        "        self.table.put(path, node)\n\n    def delete",
        "a change outside of a transaction is not seen by its commit", "test_xenstore_transactions",
    ),
    Mutant(
        "sqlite-not-synchronous", SQLITE,
        '"PRAGMA synchronous = FULL"', '"PRAGMA synchronous = OFF"',
        "a commit is not on the disk when it returns", "test_xenstore_power",
    ),
    Mutant(
        "sqlite-not-exclusive", SQLITE,
        'self._transaction("BEGIN" if self._snapshot else "BEGIN IMMEDIATE")', 'self._transaction("BEGIN")',
        "two processes can read what both will change", "test_xenstore_sqlite",
    ),
    Mutant(
        "sqlite-keeps-half", SQLITE,
        '                    self._database.execute("ROLLBACK")\n',
        '                    self._database.execute("COMMIT")\n',
        "what a request that failed has done is kept", "test_xenstore_sqlite",
    ),
    Mutant(
        "sqlite-used-by-child", SQLITE,
        "        if os.getpid() != self._process:\n", "        if False:\n",
        "a child uses what its parent opened", "test_xenstore_sqlite",
    ),
    Mutant(
        "sqlite-open-to-others", SNAPSHOT,
        " or status.st_mode & 0o077:", ":",
        "a file is believed that others can read and write", "test_xenstore_sqlite",
    ),
    Mutant(
        "row-unchecked", CHECKSUM,
        "    if checksum(*values) != expected:\n", "    if False:\n",
        "a row is believed that is not what was written", "test_damaged_store",
    ),
    Mutant(
        "log-cut-in-the-middle", WAL,
        "damaged=_more_was_committed(text, frame, start, salts))", "damaged=False)",
        "a log that lost a change in its middle is taken for one that a power cut has ended", "test_damaged_store",
    ),
    Mutant(
        "stranger-is-gone", HOST,
        "        return row is not None\n", "        return True\n",
        "a domain of which nothing is known is taken for one that is gone", "test_domain_command",
    ),
    Mutant(
        "lost-host-is-new", FOLDER,
        "        if known and not domains & set(known):\n", "        if False:\n",
        "a record that knows none of the templates' domains is believed", "test_damaged_store",
    ),
    Mutant(
        "glimpse-of-a-changed", READING,
        "        return same_lock and stands(", "        return same_lock or stands(",
        "a template that was replaced while it was read counts as read under the lock", "test_lock_waits",
    ),
    Mutant(
        "client-sends-again", CLIENT,
        "        return await link.request(type_, self._number, body, what, timeout=self._timeout)\n",
        "        try:\n"
        "            return await link.request(type_, self._number, body, what, timeout=self._timeout)\n"
        "        except ConnectionLost:\n            link = await self._link()\n"
        "            return await link.request(type_, self._number, body, what, timeout=self._timeout)\n",
        "a request is sent again of which it is not known whether it was done", "test_xenstore_broken_server",
    ),
    Mutant(
        "client-mixes-listings", CLIENT,
        "                if names and seen != generation:\n", "                if False:\n",
        "the parts of a directory that changed meanwhile are put together", "test_xenstore_client",
    ),
    Mutant(
        "client-commits-twice", CLIENT,
        "        link = await self._link()\n"
        "        self._ended = True\n"
        "        await link.request(Type.TRANSACTION_END",
        "        link = await self._link()\n        await link.request(Type.TRANSACTION_END",
        "a transaction can be used after its commit", "test_xenstore_client",
    ),
    Mutant(
        "client-commit-aborts", CLIENT,
        'b"T\\0", "commit"', 'b"F\\0", "commit"',
        "a commit is an abort", "test_xenstore_client",
    ),
    Mutant(
        "channel-believes-the-loop", CHANNEL,
        "sock=await _connected(path)", "path",
        "a client that finds no room at a busy xenstored takes itself for connected", "test_xenstore_broken_server",
    ),
    Mutant(
        "link-takes-any-answer", LINK,
        "        if head.type not in (waiting.type, Type.ERROR):\n", "        if False:\n",
        "an answer to something else is taken", "test_xenstore_broken_server",
    ),
    Mutant(
        "link-leaves-open", LINK,
        "            if waiting.undo and failure is None:\n", "            if False:\n",
        "what a cancelled request opened stays open", "test_xenstore_client", hangs=True,
    ),
    Mutant(
        "link-works-after-timeout", LINK,
        '            self.lose(f"no answer within {timeout:g} s to {what}")\n', "",
        "a connection is used on whose answers are late", "test_xenstore_broken_server",
    ),
)  # fmt: skip
