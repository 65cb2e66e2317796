"""The operations on a domain: ordinary `async` code, each effect one `await` on a port.

The order of the steps is that of the design the matrix recommends, XENSTORE FIRST with the lock held until xenstore
is committed.
"""
