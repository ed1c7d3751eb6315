"""Acme HR, a made-up host: one page on which a person sees benefits embedded, and the little backend behind it.

It knows of kota-bff what any host knows: the HTTP interface, a service key, and the key that signs its people's tokens.
Only `kota-bff dev` serves it.
"""
