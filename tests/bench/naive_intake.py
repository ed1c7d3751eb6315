"""The intake to compare with: what one writes first. FastAPI, an ORM object added and committed per request.

It is spared everything that ours does besides storing: no signature, no encryption, no logs, no metrics.
Started with uvicorn; DATABASE_URL names the database.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from fastapi import FastAPI, Request
from sqlalchemy import DateTime, Text, func
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class NaiveEvent(Base):
    __tablename__ = "naive_events"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    type: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    received_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    engine: AsyncEngine = create_async_engine(
        os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://"), pool_size=16, max_overflow=0
    )
    app.state.sessions = async_sessionmaker(engine)
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


@app.post("/webhooks/kota")
async def receive(request: Request) -> dict[str, str]:
    body = await request.body()
    content = await request.json()
    async with app.state.sessions() as session:
        session.add(NaiveEvent(id=content["id"], type=content["type"], body=body.decode()))
        await session.commit()
    return {"status": "accepted"}
