"""The all-in-one stack for a developer's machine."""
