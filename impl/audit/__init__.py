"""A host's templates and xenstore, held against the invariants: `confsync audit`."""
