"""Wire objects of many kinds, told apart by their `type`."""

from __future__ import annotations

import builtins
from typing import Any, ClassVar

from threadrun.models.tolerant import TolerantText
from threadrun.models.wire import WireModel
from threadrun.models.wire_json import JsonObject


class KindedModel(WireModel):
    """Hold an object whose `type` names its kind; reading gives the subclass of that kind.

    A direct subclass is the family's root: it reads every kind, and an unknown one as itself, with all that
    was sent in `to_wire()`. Its subclasses name their types in `kinds`.
    """

    kinds: ClassVar[tuple[str, ...]] = ()
    """The values of `type` that this class reads."""

    _family: ClassVar[dict[str, builtins.type[KindedModel]]] = {}

    type: TolerantText = ""
    """The kind, as the server spells it; empty when it sent none."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if KindedModel in cls.__bases__:
            cls._family = {}
        cls._family.update(dict.fromkeys(cls.kinds, cls))

    @classmethod
    def _kind_of(cls, value: Any) -> builtins.type[WireModel]:
        if KindedModel not in cls.__bases__ or not isinstance(value, dict):
            return cls
        sent = value.get("type")
        return cls._family.get(sent, cls) if isinstance(sent, str) else cls

    @property
    def payload(self) -> JsonObject:
        """What belongs to the kind: the object under the key named as the type, else all but id and type."""
        wire = self.to_wire()
        own = wire.get(self.type)
        return own if isinstance(own, dict) else {k: v for k, v in wire.items() if k not in ("id", "type")}
