"""A local Kota: behaves like Kota's API as far as that is published, and unkindly where it is not."""
