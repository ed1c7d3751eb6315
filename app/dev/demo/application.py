"""The API with the demo beside it, on one port. Only `kota-bff dev` starts this one."""

import os

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from app.dev.demo.host import DemoHost
from app.dev.demo.routes import STATIC, router
from app.main import create_app


def create_demo_app() -> FastAPI:
    """What `create_app` makes, and `/demo`. Raises BadConfiguration, and KeyError outside `kota-bff dev`."""
    app = create_app()
    app.state.demo_host = DemoHost.of_environment(os.environ)
    app.include_router(router)
    app.mount("/demo/assets", StaticFiles(directory=STATIC), name="demo")
    return app
