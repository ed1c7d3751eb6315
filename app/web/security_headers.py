"""What every answer tells browsers and caches, unless it says something else itself."""

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-site",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Strict-Transport-Security": "max-age=31536000",
    # Next to nothing here is for everybody; a route that is says so.
    "Cache-Control": "no-store",
}
SECURITY_HEADERS = [(name.lower().encode(), value.encode()) for name, value in _HEADERS.items()]
