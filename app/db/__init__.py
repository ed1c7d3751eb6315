"""Engine, sessions, declarative base, encrypted column type."""
