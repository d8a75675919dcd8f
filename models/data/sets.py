"""The data sets this house knows: their source, their terms, and the SHA-256 of each file.

Files of public sets are brought by the user (`--data DIR`, one folder a set); none of those is shipped or
downloaded. What was written for this project lies in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from models.errors import MakeError


@dataclass(frozen=True, slots=True)
class DataSet:
    """One set: `files` by path inside its folder, each with the digest of the published version.

    `written` sets come with this package.
    """

    name: str
    source: str
    terms: str
    files: Mapping[str, str]
    written: bool = False


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of a set as found.

    `published` says whether it is the published version, byte for byte; None for a user's own file.
    """

    source: str
    name: str
    path: Path
    sha256: str
    published: bool | None


WRITTEN = Path(__file__).parent.parent / "written"
SETS: Mapping[str, DataSet] = {
    known.name: known
    for known in (
        DataSet(
            "tnews",
            "CLUEbenchmark TNEWS, public version of 2020",
            "none stated",
            {
                "train.json": "e2c6c008569d23b50778a45abe4c2d9cef140177982203ed7dbad9ddcd748b25",
                "dev.json": "0dd33323dfdf224a690f684746b00048a46b70f3b244d411293c8470572644ef",
            },
        ),
        DataSet(
            "afqmc",
            "zejunwang1/CSTS@2e7eeedf",
            "academic use only",
            {
                "train.txt": "48642eebd4dcd2fa099ad20b47fdbda456bdc396f8359aa4384a452a36f31eb7",
                "dev.txt": "bd5136527078950a4d624a3d903ce86950cafb26b5092559b64c418e015f0df3",
            },
        ),
        DataSet(
            "ocnli",
            "CLUEbenchmark/OCNLI@b53efdee",
            "CC BY-NC 2.0",
            {
                "train.50k.json": "cb47a6c00105bfb49bbb791dd537b284d3138f9f1ad5cd1e187afc470ff004e0",
                "dev.json": "001ded235d73a18dac68a45a38cd5f9b3f9311fa4246df623e199422c073ddc5",
            },
        ),
        DataSet(
            "chnsenticorp",
            "ymcui/Chinese-BERT-wwm@f6410cbd",
            "none stated",
            {
                "train.tsv": "0b2653c23e5c79f539472e90cb10522f0ada4b80d3da95572d8b48fda47d5b33",
                "dev.tsv": "d129e443eac08ce7643013dad496a8edf282be39cac1a4f2ad080818b296b331",
                "test.tsv": "34f9d71eba6096cd8689e18913d28cf9a5f3c18a6c2804cd13304a321738c4bc",
            },
        ),
        DataSet(
            "online_shopping",
            "SophonPlus/ChineseNlpCorpus@a0b781d7",
            "none stated",
            {
                "online_shopping_10_cats.csv": (
                    "f6c5b724122d8547b700ac4524898eb7e28abbee63f798e95a8faa408829afdb"
                )
            },
        ),
        DataSet(
            "book_review",
            "dbiir/UER-py@5743050c",
            "none stated",
            {
                "train.tsv": "75a2415d1ccf8a5091d67cdaee383c4a23aabd1b870669498bda2e33ca6ad843",
                "dev.tsv": "e05b8884296c78a98d89e721809bc6619114d667c9be32e42d9a0b3623a6daf1",
            },
        ),
        DataSet(
            "cluener2020",
            "CLUEbenchmark/LightLM@7762e02f baselines/CLUEdataset/ner",
            "none stated",
            {
                "train.json": "60299d202779dc84f3c3bd81f4dc08f5323d0dbf762cb50cd62dd51aa9a871f8",
                "dev.json": "90036b59832e007c45d11eafe5ed80549f58a18a29aaa7fe8b1229622c69ec38",
            },
        ),
        DataSet(
            "cmrc2018",
            "ymcui/cmrc2018@c0eb1b6b squad-style-data",
            "CC BY-SA 4.0",
            {
                "train.json": "5497aa2f81908e31d6b0e27d99b1f90ab63a8f58fa92fffe5d17cf62eba0c212",
                "dev.json": "e9ff74231f05c230c6fa88b84441ee334d97234cbb610991cd94b82db00c7f1f",
            },
        ),
        DataSet(
            "drcd",
            "DRCKnowledgeTeam/DRCD@b944790d",
            "CC BY-SA 3.0",
            {"DRCD_dev.json": "e236df03861ba241bd7b29628cd48b3b8e339c60137e041a4358b5320ed61928"},
        ),
        DataSet(
            "c3",
            "C3 (dataset of free-form multiple-choice reading)",
            "none stated",
            {
                "d-train.json": "baf81f327dee84c6f451c9a4dd662e6193c67473b8791ffb72cce75cdb528f20",
                "m-train.json": "4c84a534f1eec2c72e5f60f0c044cc39e2e42a88df01134e677e03217472d6af",
            },
        ),
        DataSet(
            "zhihu_titles",
            "justjavac/zhihu-trending-hot-questions@6fe80c7c",
            "MIT for the code",
            {"unique_titles.txt": "6a907dfe08291b037edf056083752675bf6db1c8bbc346fbca67f593d809a469"},
        ),
        *(
            DataSet(name, "written for qingmo", "Apache-2.0, as qingmo", files, written=True)
            for name, files in {
                "written_pairs": {
                    "train.tsv": "6af9a73ce1983e8dc1441592f05aa378e84b8c1882c0885116a70ad0ea8c39d6",
                    "test.tsv": "9f107bbd2dcd49b2e26f0af11f818d9a59216f4402ea74c41555e1c00360d3e2",
                },
                "written_titles": {
                    "train.tsv": "67b9fe630b8b2a7f8dbbab16dcfd9934ab56a3964a69244f32e7510a6fd5add9",
                    "test.tsv": "50be4cd280fa5cd28b334b4a366c6191a3ece81577c5b3bbc1dee40dd5c9d4aa",
                },
                "written_reviews": {
                    "train.tsv": "aae5524ce175d315f5858e380397d76c8405bb7b3aeb3314033b9f0769da2184",
                    "test.tsv": "69d372dcd35a400d3da8130db2ba8c6a1219f1250b4eb7cede33b64ccc9dfb62",
                },
                "written_questions": {
                    "train.txt": "b843321ffcb841d85310ac8f5434e393a60ad99efb72525fc473eb90e46a7a3b",
                    "test.txt": "0c111ab97e91d732c4654514232f3146636c2761be7a2947c65e56de2b945c34",
                },
                "written_names": {
                    "train.txt": "95fd320a9ee97e8342f22f6b502f36f8ac6850b43616a15967898cccb9872385",
                    "test.txt": "fee4e5b1903e18d8245530778e8212444f419d5b620325b8bdf14ed013bb5a4e",
                },
            }.items()
        ),
    )
}


def is_written(name: str) -> bool:
    """Whether the set called `name` comes with this package."""
    return name in SETS and SETS[name].written


def known_set(name: str) -> DataSet:
    """The set called `name`; MakeError with the known names otherwise."""
    if name not in SETS:
        raise MakeError(f'Data set "{name}" is not known; known are {", ".join(sorted(SETS))}.')
    return SETS[name]


def found_file(data: Path, name: str, file: str) -> Path:
    """The file `file` of set `name` under the folder `data`; MakeError where it is missing."""
    known = known_set(name)
    path = (WRITTEN if known.written else data) / name / file
    if not path.is_file():
        raise MakeError(f"{path} is missing: it is part of {name}, published as {known.source}.")
    return path


def data_file(data: Path, name: str, file: str) -> DataFile:
    """The file `file` of set `name` under the folder `data`, digested; MakeError where it is missing."""
    known, path = known_set(name), found_file(data, name, file)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return DataFile(known.source, f"{name}/{file}", path, digest, digest == known.files.get(file))


def own_file(name: str, path: Path) -> DataFile:
    """A file of a user's own set `name`, digested."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return DataFile("own data", f"{name}/{path.name}", path, digest, None)
