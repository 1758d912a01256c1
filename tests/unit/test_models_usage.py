"""What a run's steps cost together."""

from __future__ import annotations

import pytest

from threadrun.models import CompletionTokensDetails, PromptTokenDetails, Usage


def test_no_usage_at_all_sums_to_none_and_not_to_zero() -> None:
    assert Usage.sum([]) is None
    assert Usage.sum([None, None]) is None


def test_the_sum_leaves_out_steps_without_usage_and_adds_up_the_details() -> None:
    total = Usage.sum(
        [
            Usage(
                prompt_tokens=100,
                completion_tokens=10,
                total_tokens=110,
                prompt_token_details=PromptTokenDetails(cached_tokens=64),
            ),
            None,
            Usage(
                prompt_tokens=200,
                completion_tokens=20,
                total_tokens=220,
                completion_tokens_details=CompletionTokensDetails(reasoning_tokens=7),
            ),
        ]
    )
    assert total is not None
    assert total.to_wire() == {
        "prompt_tokens": 300,
        "completion_tokens": 30,
        "total_tokens": 330,
        "prompt_token_details": {"cached_tokens": 64},
        "completion_tokens_details": {"reasoning_tokens": 7},
    }


def test_details_that_no_step_had_are_not_made_up() -> None:
    total = Usage.sum([Usage(prompt_tokens=1, completion_tokens=2, total_tokens=3)])
    assert total is not None
    assert total.to_wire() == {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}


def test_a_missing_total_counts_as_prompt_and_completion_together() -> None:
    total = Usage.sum([Usage.from_wire({"prompt_tokens": 5, "completion_tokens": 6}), Usage(total_tokens=10)])
    assert total is not None
    assert total.total_tokens == 21


@pytest.mark.parametrize(("sent", "read"), [(12.0, 12), (None, 0), ("many", 0), ([], 0)], ids=repr)
def test_a_count_is_read_as_a_whole_number(sent: object, read: int) -> None:
    usage = Usage.from_wire({"prompt_tokens": sent})
    assert usage.prompt_tokens == read
    assert repr(usage.to_wire()) == repr({"prompt_tokens": sent})
