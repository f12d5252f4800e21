from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.live.local.grammar import word_graph
from gateway.live.local.phrases import spoken

pytestmark = pytest.mark.unit

words = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=5).map(" ".join)


@given(st.sets(words, min_size=1), words)
def test_a_graph_accepts_its_sentences_and_no_other(sentences: set[str], other: str) -> None:
    graph = word_graph(sentences)
    assert all(graph.accepts(sentence) for sentence in sentences)
    assert graph.accepts(other) == (other in sentences)


@given(st.sets(words, min_size=1))
def test_a_graph_has_no_state_and_no_arc_too_many(sentences: set[str]) -> None:
    graph = word_graph(sentences)
    numbers = {at for begin, to, _ in graph.arcs for at in (begin, to)}
    assert numbers <= set(range(graph.states))
    assert len(set(graph.arcs)) == len(graph.arcs)
    ways = [(begin, word) for begin, _, word in graph.arcs]
    assert len(set(ways)) == len(ways)
    assert all(to == graph.final for _, to, word in graph.arcs if word is None)


def test_sentences_that_begin_or_end_alike_share_their_states() -> None:
    graph = word_graph(["what is the time", "what is the word", "tell me the word"])
    # Five words of the first two, four of the third, one way out; and `word` is shared once.
    assert len(graph.arcs) == 10


def test_the_graph_does_not_depend_on_the_order_of_its_sentences() -> None:
    sentences = sorted(spoken())
    assert word_graph(sentences) == word_graph(reversed(sentences))


def test_the_published_sentences_make_a_small_graph() -> None:
    graph = word_graph(spoken())
    assert graph.states < len(spoken())
    assert len(graph.arcs) * 2 < sum(len(words.split()) for words in spoken())
