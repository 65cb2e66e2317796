"""What xenstore's requests on nodes do, within a transaction or without [xenstored_core.c; its functions are named]."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from confsync.impl.errors import Forbidden, InvalidRequest, NoEntry, NotOwner, QuotaExceeded, TooBig, XenstoreError
from confsync.impl.ports import Permission
from confsync.impl.xenstore import paths
from confsync.impl.xenstore.limits import PAYLOAD_MAX, Limits
from confsync.impl.xenstore.node import Node
from confsync.impl.xenstore.permissions import OWNER, READ, WRITE, checked, is_privileged, rights, to_bytes
from confsync.impl.xenstore.view import View


def check_payload(what: str, size: int) -> None:
    """TooBig if so many bytes do not fit into one message."""
    if size > PAYLOAD_MAX:
        raise TooBig(f"{what} takes {size} bytes, and a message has at most {PAYLOAD_MAX}")


@dataclass(frozen=True, slots=True)
class Requester:
    """A domain, and what binds it."""

    domid: int
    limits: Limits
    owned: Callable[[int], int]
    """How many nodes a domain owns."""
    exists: Callable[[int], bool]
    """True if the hypervisor knows the domain."""

    @property
    def privileged(self) -> bool:
        """True if it may do everything, without quotas."""
        return is_privileged(self.domid)

    def path(self, path: str) -> str:
        """The absolute path that is meant. InvalidRequest."""
        return paths.checked(paths.canonical(path, self.domid), self.limits.path)

    def _refusal(self, view: View, path: str, wanted: int, why: type[XenstoreError]) -> XenstoreError:
        """[errno_from_parents] Who may do nothing with the nearest node above learns nothing about this one."""
        above = path
        while True:
            above = paths.parent(above)
            node = view.read(above)
            if node is not None:
                granted = rights(self.domid, node.heard) & wanted
                return (why if granted else Forbidden)(path)
            if above == paths.ROOT:
                return Forbidden(path)

    def _find(self, view: View, path: str, wanted: int) -> Node:
        """[get_node]"""
        node = view.read(path)
        if node is None:
            raise self._refusal(view, path, wanted, NoEntry)
        if not self.privileged and rights(self.domid, node.heard) & wanted != wanted:
            raise self._refusal(view, path, wanted, Forbidden)
        return node

    def read(self, view: View, path: str) -> bytes:
        """[do_read]"""
        return self._find(view, self.path(path), READ).value

    def directory(self, view: View, path: str) -> tuple[str, ...]:
        """[send_directory]"""
        return self._find(view, self.path(path), READ).children

    def permissions(self, view: View, path: str) -> tuple[Permission, ...]:
        """[do_get_perms]"""
        found = self._find(view, self.path(path), READ).permissions
        check_payload(f"the answer of permissions of {path}", len(to_bytes(found)))
        return found

    def write(self, view: View, path: str, value: bytes) -> None:
        """[do_write]"""
        check_payload(f"write of {path}", len(paths.sendable(path)) + 1 + len(value))
        path = self.path(path)
        try:
            node = self._find(view, path, WRITE)
        except NoEntry:
            self._create(view, path, value)
        else:
            node = Node(value, node.permissions, node.children, node.generation, node.ignored)
            self._put(view, path, node)
            view.fire(path, node)

    def make(self, view: View, path: str) -> None:
        """[do_mkdir]"""
        path = self.path(path)
        try:
            self._find(view, path, WRITE)
        except NoEntry:
            self._create(view, path, b"")

    def _check_size(self, view: View, path: str, node: Node) -> None:
        if not self.privileged and node.size >= self.limits.entry_size:
            view.spoil()
            raise QuotaExceeded(f"{path} takes {node.size} bytes of less than {self.limits.entry_size}")

    def _put(self, view: View, path: str, node: Node) -> None:
        self._check_size(view, path, node)
        view.write(path, node)

    def _create(self, view: View, path: str, value: bytes) -> None:
        """[create_node] The node, and what is missing above it; who makes it owns it, but for the privileged."""
        missing, above = [path], paths.parent(path)
        while (top := view.read(above)) is None:
            missing.append(above)
            above = paths.parent(above)
        permissions = top.permissions
        if not self.privileged:
            permissions = (Permission(self.domid, permissions[0].access), *permissions[1:])
            new = 1 if view.transaction else len(missing)
            if self.owned(self.domid) + new > self.limits.nodes:
                raise QuotaExceeded(f"domain {self.domid} has {self.limits.nodes} nodes, and no room for {path}")
        node = Node(value, permissions, (), 0, top.ignored)
        made = [(path, node)]
        for upper, lower in zip(missing[1:], missing, strict=False):
            made.append((upper, Node(b"", permissions, (paths.name(lower),), 0, top.ignored)))
        made.append((above, replace(top, children=(*top.children, paths.name(missing[-1])))))
        for where, what in made:
            self._check_size(view, where, what)
        for where, what in made:
            view.write(where, what)
        view.fire(path, node)

    def remove(self, view: View, path: str) -> None:
        """[do_rm]"""
        path = self.path(path)
        try:
            node = self._find(view, path, WRITE)
        except NoEntry:
            if view.read(paths.parent(path)) is None:
                raise
            return
        if path == paths.ROOT:
            raise InvalidRequest("the root can't be removed")
        cut(view, path, node)

    def set_permissions(self, view: View, path: str, permissions: Sequence[Permission]) -> None:
        """[do_set_perms]"""
        check_payload(f"set_permissions of {path}", len(paths.sendable(path)) + 1 + len(to_bytes(permissions)))
        wanted, ignored = self.wanted(permissions)
        path = self.path(path)
        before = self._find(view, path, WRITE | OWNER)
        if not self.privileged and wanted[0].domid != before.owner:
            raise NotOwner(f"{path}, for domain {self.domid} to give to domain {wanted[0].domid}")
        node = replace(before, permissions=wanted, ignored=ignored)
        self._put(view, path, node)
        view.fire(path, node, before=before)

    def wanted(self, permissions: Sequence[Permission]) -> tuple[tuple[Permission, ...], frozenset[int]]:
        """The permissions, checked, and which domains of them there are not. InvalidRequest, NoEntry, QuotaExceeded."""
        if not self.privileged and len(permissions) > self.limits.permissions:
            raise QuotaExceeded(f"{len(permissions)} permissions, of at most {self.limits.permissions}")
        found = checked(permissions)
        ignored = frozenset(entry.domid for entry in found if not self.exists(entry.domid))
        if found[0].domid in ignored:
            raise NoEntry(f"domain {found[0].domid}, to own a node")
        return found, ignored


def cut(view: View, path: str, node: Node) -> None:
    """Remove the node and all below it, each after what is below it [rm_node, walk_node_tree].

    A transaction has seen some nodes long ago and others now. Where these do not fit, this is left half done, with EIO,
    as C xenstored does; the commit will find the change that made it so.
    """
    above, leaf = paths.parent(path), paths.name(path)
    top = view.read(above)
    if top is None:
        raise XenstoreError(f"{path} has nothing above it")
    within = [(path, node, iter(enumerate(node.children)))]
    while within:
        where, what, rest = within[-1]
        at, under = next(rest, (0, None))
        if under is None:
            view.fire(where, what, exact=where != path)
            view.delete(where)
            within.pop()
            continue
        child = view.read(paths.child(where, under))
        if child is None:
            view.write(where, replace(what, children=what.children[at:]))
            raise XenstoreError(f"{where} lists a child {under} that is not there")
        within.append((paths.child(where, under), child, iter(enumerate(child.children))))
    if leaf not in top.children:
        raise XenstoreError(f"{above} lists no child {leaf}, which was there")
    view.write(above, replace(top, children=tuple(c for c in top.children if c != leaf)))
