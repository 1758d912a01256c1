"""An instance is copied with other values, as the standard library does it."""

from __future__ import annotations

import dataclasses
from dataclasses import FrozenInstanceError, dataclass

import pytest

from worker.replace import replace


@dataclass(frozen=True)
class Loaf:
    flour: str
    grams: int = 500
    seeds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Slotted:
    grams: int = 500


def test_a_copy_has_the_new_values_and_the_others_as_they_were():
    loaf = Loaf("rye", seeds=("flax",))
    assert replace(loaf, grams=750) == dataclasses.replace(loaf, grams=750) == Loaf("rye", 750, ("flax",))
    assert loaf == Loaf("rye", 500, ("flax",))


def test_a_copy_is_frozen_and_hashed_like_any_other():
    copy = replace(Loaf("rye"), grams=750)
    assert hash(copy) == hash(Loaf("rye", 750))
    with pytest.raises(FrozenInstanceError):
        copy.grams = 1


def test_a_name_that_is_no_field_is_refused():
    with pytest.raises(TypeError, match="Loaf has no field sugar"):
        replace(Loaf("rye"), sugar=1)


def test_a_class_with_slots_is_refused():
    with pytest.raises(TypeError):
        replace(Slotted(), grams=1)
