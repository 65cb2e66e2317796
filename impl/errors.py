"""What can go wrong, by the names that xenstore [xen/include/public/io/xs_wire.h] and libxl [libxl_error] give it."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar


class ToolstackError(Exception):
    """Any failure of an operation. `code` is libxl's name of it."""

    code: ClassVar[str] = "ERROR_FAIL"


class InvalidArgument(ToolstackError):
    """The caller asked for something that cannot be meant."""

    code = "ERROR_INVAL"


class DomainNotFound(ToolstackError):
    """There is no such domain, or it is gone."""

    code = "ERROR_DOMAIN_NOTFOUND"


class NotReady(ToolstackError):
    """The domain is half made or half destroyed."""

    code = "ERROR_NOT_READY"


class DeviceExists(ToolstackError):
    """The slot is taken."""

    code = "ERROR_DEVICE_EXISTS"


class DeviceNotFound(ToolstackError):
    """There is no device in the slot."""

    code = "ERROR_NOTFOUND"


class TemplateMissing(ToolstackError):
    """The domain has no template: it is being created or destroyed [libxl, af1f8aa989]."""

    code = "ERROR_JSON_CONFIG_EMPTY"


class LockFailed(ToolstackError):
    """The lock was not got: refused by the file system, or asked for by who has it already."""

    code = "ERROR_LOCK_FAIL"


class TimedOut(ToolstackError):
    """Somebody else, a backend or a guest, did not answer in time."""

    code = "ERROR_TIMEDOUT"


class HotplugFailed(ToolstackError):
    """A backend, a hotplug script or the device model refused."""


class HypervisorRefused(ToolstackError):
    """The hypervisor refused a call."""


class CannotList(ToolstackError):
    """What exists cannot be read. Never the same as: nothing exists."""


class StoreError(ToolstackError):
    """A file of the toolstack's own could not be read or written, or is not as it must be."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = path, reason


class DamagedStore(StoreError):
    """The content of a file of the toolstack's own is not what was written: nothing may be concluded from it."""


class MalformedConfiguration(ToolstackError):
    """A configuration that is no configuration."""

    def __init__(self, source: str, where: str, reason: str) -> None:
        """`source`: the file; `where`: the place in it, such as `disks[2].vdev` or `line 3, column 14`."""
        super().__init__(f"{source}: {where}: {reason}" if where else f"{source}: {reason}")
        self.source, self.where, self.reason = source, where, reason


class XenstoreError(ToolstackError):
    """An answer of xenstore's that is an error. `name` is xenstore's name of it."""

    name: ClassVar[str] = "EIO"

    def __init__(self, what: str) -> None:
        """`what`: the request and its path, in words."""
        super().__init__(f"xenstore: {what}: {self.name}")
        self.what = what


class NoEntry(XenstoreError):
    """There is no such node."""

    name = "ENOENT"


class Again(XenstoreError):
    """The transaction met another one: run it once more."""

    name = "EAGAIN"


class Forbidden(XenstoreError):
    """The node's permissions do not allow it."""

    name = "EACCES"


class NotOwner(XenstoreError):
    """Only a privileged domain may give a node to another one."""

    name = "EPERM"


class NodeExists(XenstoreError):
    """The node is there already; or the watch is."""

    name = "EEXIST"


class InvalidRequest(XenstoreError):
    """The request is malformed: a path that is no path, permissions that are none."""

    name = "EINVAL"


class NoTransaction(XenstoreError):
    """There is no such transaction; or no such watch."""

    name = "ENOENT"


class QuotaExceeded(XenstoreError):
    """The domain has as many nodes, watches or transactions as it may have; or a value is too long."""

    name = "ENOSPC"


class QuotaReached(XenstoreError):
    """A quota of newer xenstoreds is reached."""

    name = "EQUOTA"


class TooBig(XenstoreError):
    """The request does not fit into one message."""

    name = "E2BIG"


class OutOfMemory(XenstoreError):
    """xenstored had no memory; or a request of this transaction failed before."""

    name = "ENOMEM"


class NotSupported(XenstoreError):
    """This xenstored does not know the request."""

    name = "ENOSYS"


class Busy(XenstoreError):
    """xenstored cannot do that now."""

    name = "EBUSY"


class ReadOnly(XenstoreError):
    """The connection may not write."""

    name = "EROFS"


class ConnectionLost(XenstoreError):
    """xenstored went away, or broke the protocol. Whether the last request was done is not known."""

    name = "EPIPE"


class NoAnswer(XenstoreError):
    """xenstored did not answer in time."""

    name = "ETIMEDOUT"
