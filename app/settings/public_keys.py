"""Which public keys verify a frontend's token, and by which algorithm: from the settings or from a JWKS."""

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


class UnusableKey(Exception):
    """A public key of a kind that no supported algorithm uses."""


def usable(key: object) -> tuple[PublicKey, str]:
    """A public key and the one algorithm that it is good for: a token cannot choose another. Raises UnusableKey."""
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048:
        return key, "RS256"
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key, "ES256"
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key, "EdDSA"
    raise UnusableKey("only RSA of 2048 bits or more, P-256 and Ed25519 keys are used")
