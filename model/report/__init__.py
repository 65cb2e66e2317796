"""What is told of verdicts: stories, tables, JSON, JUnit, manifests."""
