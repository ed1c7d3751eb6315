"""kota-bff: the server side of Kota's embedded benefits."""
