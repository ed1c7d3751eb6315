"""A local Kota. It shares no code with the rest, so that one misreading cannot pass on both sides."""
