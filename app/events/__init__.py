"""A stored event leads to its resource, Kota's current state of it, and our projections."""
