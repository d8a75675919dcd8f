"""Stage `pack`: the evaluated bundle with golden examples, sealed, ready to be served."""

from __future__ import annotations

import shutil

from models.job import Job
from models.seal import seal_with_golden
from models.workspace import fresh_folder
from server.inference.bundle import load_bundle

MOST_BYTES = 12_000_000
MOST_PARAMETERS = 12_000_000


def run(job: Job) -> None:
    """The folder `pack/NAME`; a note where the bundle is larger than one that ships with qingmo may be."""
    with fresh_folder(job.folder("pack")) as folder:
        target = folder / job.recipe.bundle_name
        shutil.copytree(job.folder("evaluate") / "bundle", target)
        bundle = seal_with_golden(target, load_bundle(target).manifest, job.bundle.texts())
        size = sum(path.stat().st_size for path in target.iterdir())
    if size > MOST_BYTES or bundle.manifest.parameters > MOST_PARAMETERS:
        job.console.print(
            f"{bundle.manifest.parameters:,} parameters in {size:,} bytes: no bundle that ships with qingmo "
            f"has more than {MOST_PARAMETERS:,} in {MOST_BYTES:,}."
        )
    where = job.folder("pack") / job.recipe.bundle_name
    job.console.print(f"packed {where}: {size:,} bytes, {len(bundle.manifest.golden)} golden examples")
