from __future__ import annotations

import inspect
from dataclasses import FrozenInstanceError, fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigError
from gateway.live.local.switches import Switches

pytestmark = pytest.mark.unit


def test_pairs_set_what_they_name_and_leave_the_rest() -> None:
    switches = Switches.parse(
        [
            "frame_type=text",
            "strict=false",
            "chunk-ms=20",
            "burst_factor = 2.5",
            "api_keys=one, two,",
            "deflate=1",
        ]
    )
    assert switches == Switches(
        frame_type="text",
        strict=False,
        chunk_ms=20,
        burst_factor=2.5,
        api_keys=("one", "two"),
        deflate=True,
    )
    assert Switches.parse([]) == Switches()


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        ("colour=red", "no switch is called 'colour'; there are: frame_type"),
        ("chunk_ms", "switch chunk_ms needs a value: chunk_ms=whole number"),
        ("chunk_ms=long", "switch chunk_ms must be whole number, not 'long'"),
        ("strict=maybe", "switch strict must be true|false, not 'maybe'"),
        ("frame_type=json", "switch frame_type must be binary|text, not 'json'"),
        ("chunk_ms=0", "switch chunk_ms must be 1 or more, not 0"),
        ("think_ms=-1", "switch think_ms must be 0 or more, not -1"),
        ("burst_factor=0", "switch burst_factor must be 0.1 or more"),
        ("connection_life_s=nan", "switch connection_life_s must be 0 or more, not nan"),
        ("connection_life_s=inf", "switch connection_life_s must be 0 or more, not inf"),
    ],
)
def test_a_bad_pair_is_named_with_the_form_expected(pair: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Switches.parse([pair])
    assert str(caught.value).startswith(words)


def test_every_switch_has_a_sentence_a_form_and_a_default_that_parses_back() -> None:
    described = list(Switches.described())
    assert [name for name, *_ in described] == [item.name for item in fields(Switches)]
    for name, form, default, sentence in described:
        assert form, name
        assert len(sentence) > 10, name
        assert not sentence.endswith("."), f"{name}: the form follows"
        assert Switches.parse([f"{name}={default}"]) == Switches()


def test_every_switch_has_an_effect_somewhere() -> None:
    """A switch that nothing reads would be a promise not kept."""
    import gateway.live.local as package
    from gateway.live.local import dialogue, inputs, manners, rules, server, settings, turns, visit

    modules = (dialogue, inputs, manners, rules, server, settings, turns, visit, package)
    source = "".join(inspect.getsource(module) for module in modules)
    source += inspect.getsource(Switches.absent)
    for item in fields(Switches):
        assert f".{item.name}" in source, item.name


def test_switches_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Switches().strict = False  # type: ignore[misc]


@given(
    st.lists(
        st.text() | st.tuples(st.sampled_from(["strict", "chunk_ms"]), st.text()).map("=".join)
    )
)
def test_anything_is_switches_or_a_config_error(pairs: list[str]) -> None:
    try:
        assert isinstance(Switches.parse(pairs), Switches)
    except ConfigError as error:
        assert "switch" in str(error)
