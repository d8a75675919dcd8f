import pytest

from loadtest.errors import LoadtestError
from loadtest.load import Kind
from loadtest.results import FORMULA, Comparison, Formula, Score, Side, Turn
from loadtest.scorecard import REFERENCE, formula_of, scorecard, table
from tests.kit.load_kit import load


def compared(name, throughput, bert_throughput, *, parameters=10_000_000, split="tnews dev", own=None):
    scores = (Score(metric="F1", value=0.75, n=10, split=split),)
    sides = tuple(
        Side(
            name=side,
            bundle=side,
            version="",
            form="",
            parameters=size,
            disk_bytes=1,
            random_weights=False,
            command="",
            scores=given,
        )
        for side, size, given in ((own or name, parameters, scores), (REFERENCE, 100_000_000, ()))
    )
    turns = tuple(
        Turn(round=1, side=side.name, lone=load(Kind.LONE), closed=load(throughput=speed))
        for side, speed in zip(sides, (throughput, bert_throughput), strict=True)
    )
    return Comparison(
        name=name,
        task="ner",
        heading="",
        texts=1,
        mean_chars=1.0,
        source="",
        sides=sides,
        turns=turns,
    )


def test_at_the_limits_the_light_part_is_the_published_one():
    """A ninth of the parameters and an eighth of the time give 0.1764, as the ranking's check has it."""
    formula = Formula(bert_parameters=90_000_000)
    card = scorecard([compared("ner", 80, 10, split="cluener2020 dev")], formula)
    assert card.score == pytest.approx(0.8 * 0.75 + 0.1764, abs=1e-4)
    assert card.missing == ("CLUEWSC2020", "CSL", "CMRC2018")
    shown = table(card)
    assert "partial: CLUEWSC2020, CSL, CMRC2018 missing" in shown.title
    assert "reconstruction" in shown.title
    assert shown.rows[0][1:4] == ("1/9.0 (met)", "1/8.0 (met)", "CLUENER2020")


def test_a_task_of_another_contest_has_shares_and_no_score():
    card = scorecard([compared("topic", 50, 10, parameters=20_000_000)], FORMULA)
    assert card.score is None
    assert "there is no score" in table(card).title
    assert table(card).rows[0][2] == "1/5.0 (MISSED)"


def test_denominators_can_be_given():
    card = scorecard([compared("topic", 50, 10)], Formula(bert_parameters=20_000_000, bert_ms=200.0))
    assert card.lines[0].parameters_share == pytest.approx(0.5)
    assert card.lines[0].time_share == pytest.approx(0.1)


def test_other_lengths_of_the_same_task_count_once():
    both = [compared("ner", 80, 10, split="cluener dev"), compared("ner, mixed", 70, 10, own="ner")]
    assert [line.model for line in scorecard(both, FORMULA).lines] == ["ner"]
    assert scorecard([], FORMULA) is None


def test_the_flag_takes_five_numbers():
    assert formula_of("0.8,0.1,0.1,102267648,0") == FORMULA
    with pytest.raises(LoadtestError, match="five numbers"):
        formula_of("0.8,0.1")
