"""The description fits the server: schemathesis asks by it, and its examples are answered."""

from __future__ import annotations

import json

import hypothesis
import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from server.api import wire
from server.api.openapi import EXAMPLES, document


def no_bug(ctx, response, case):
    """A deadline that passed is 504, and no bug; 500 is one."""
    assert response.status_code != 500


CHECKS = [
    no_bug,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
schema = schemathesis.openapi.from_dict(json.loads(document()))


@schema.parametrize()
@hypothesis.settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_described(case, server):
    case.call_and_validate(base_url=server.url, checks=CHECKS, timeout=20)


@pytest.mark.parametrize(
    ("task", "name"), [(task, name) for task, examples in EXAMPLES.items() for name in examples]
)
def test_the_examples_are_answered(client, task, name):
    answer = client.post(f"/v1/{task}", json=EXAMPLES[task][name])
    assert answer.status_code == 200
    assert answer.json()["results"]


def test_the_server_gives_the_same_document(client):
    assert client.get("/openapi.json").json() == json.loads(document())


def test_the_document_names_every_field_that_the_wire_takes():
    schemas = json.loads(document())["components"]["schemas"]
    for kind in (wire.ClassifyRequest, wire.PairRequest, wire.NerRequest, wire.QaRequest):
        assert set(schemas[kind.__name__]["properties"]) == {f.name for f in msgspec.structs.fields(kind)}
        assert schemas[kind.__name__]["additionalProperties"] is False
