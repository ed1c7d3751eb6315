from tests.contract.kota_openapi import kota_openapi

__all__ = ["kota_openapi"]
