"""Texts cut out of one run of bytes, few at a time and many."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.decode.texts import cut

characters = st.one_of(st.characters(codec="utf-8"), st.sampled_from("ab\0"))


@pytest.mark.parametrize("times", [1, 60])
@given(texts=st.lists(st.text(characters, max_size=6), min_size=1, max_size=8), around=st.text("ab", max_size=3))
def test_texts_come_back_whatever_is_in_them(texts, around, times):
    """Empty ones, zero bytes and all of Unicode; what lies before and behind them is nobody's."""
    texts = texts * times
    bounds = np.array(list(accumulate((len(text.encode()) for text in texts), initial=len(around))))

    assert texts == cut((around + "".join(texts) + around).encode(), bounds)
