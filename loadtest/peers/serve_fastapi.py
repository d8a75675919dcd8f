"""FastAPI alone, as its documentation writes a synchronous route: one request, one run of the network."""

from __future__ import annotations

from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from served import Model, options

given = options()
model = Model(given.bundles / given.models)
app = FastAPI()


class Request(BaseModel):
    """One text."""

    text: str


@app.post("/classify")
def classify(request: Request) -> dict[str, Any]:
    """Its labels."""
    return model.classify([request.text])[0]


@app.get("/ready")
def ready() -> str:
    """The network is loaded before the port opens."""
    return "ready"


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=given.port, access_log=False)
