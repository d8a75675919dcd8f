"""What every bundle that ships must be: small, whole, and honest about its terms and its quality."""

from pathlib import Path

import msgspec
import pytest

from server.inference.manifest import MANIFEST_FILE, Manifest, version_of

ROOT = Path(__file__).parents[2]
FOLDERS = sorted(path.parent for path in ROOT.glob(f"models/zoo/*/{MANIFEST_FILE}"))


def test_five_ship():
    assert [folder.name for folder in FOLDERS] == ["answers", "entities", "sentiment", "similarity", "topic"]


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def folder(request):
    return request.param


@pytest.fixture
def manifest(folder):
    return msgspec.json.decode((folder / MANIFEST_FILE).read_bytes(), type=Manifest)


def test_at_most_12_megabytes_and_12_million_parameters(folder, manifest):
    assert sum(file.stat().st_size for file in folder.rglob("*")) <= 12_000_000
    assert manifest.parameters <= 12_000_000


def test_is_named_as_its_folder_and_sealed(folder, manifest):
    assert manifest.name == folder.name
    assert manifest.version == version_of(manifest)


def test_every_file_is_listed(folder, manifest):
    there = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    assert there == {file.path for file in manifest.files} | {MANIFEST_FILE}


def test_says_its_terms_its_lineage_and_its_quality_beside_a_baseline(manifest):
    assert manifest.terms.text
    assert manifest.lineage.data
    assert manifest.golden
    assert all(quality.n > 0 and quality.baseline is not None for quality in manifest.quality)
    assert manifest.quality
