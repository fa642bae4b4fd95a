"""What is downloaded once from Maven Central: sets of jars, locked by version and sha256."""
