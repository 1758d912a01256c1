"""The parts of a message's content."""

from __future__ import annotations

from typing import ClassVar

from threadrun.models.annotation import Annotation
from threadrun.models.kinded import KindedModel
from threadrun.models.tolerant import Tolerant, TolerantText, TolerantTuple
from threadrun.models.wire import WireModel


class MessagePart(KindedModel):
    """Hold one part of a message (MessageObject's `content`); an unknown kind is read as this class."""


class AnnotatedText(WireModel):
    """Hold a text and what it refers to."""

    value: TolerantText = ""
    """The text."""
    annotations: TolerantTuple[Annotation] = ()
    """What it refers to."""


class TextPart(MessagePart):
    """Hold text. Replies wrap it with its annotations; requests, and some servers, send the bare string."""

    kinds: ClassVar = ("text",)
    type: TolerantText = "text"
    """Always text."""
    text: Tolerant[AnnotatedText | str] = None
    """The text, wrapped or bare."""

    @property
    def value(self) -> str:
        """The text itself."""
        return self.text.value if isinstance(self.text, AnnotatedText) else self.text or ""

    @property
    def annotations(self) -> tuple[Annotation, ...]:
        """What the text refers to."""
        return self.text.annotations if isinstance(self.text, AnnotatedText) else ()


class ImageFile(WireModel):
    """Name an image by its file."""

    file_id: TolerantText = ""
    """The file."""
    detail: Tolerant[str] = None
    """auto, low or high."""


class ImageFilePart(MessagePart):
    """Hold an image that is a file of the provider."""

    kinds: ClassVar = ("image_file",)
    type: TolerantText = "image_file"
    """Always image_file."""
    image_file: Tolerant[ImageFile] = None
    """The file."""


class ImageUrl(WireModel):
    """Name an image by its address."""

    url: TolerantText = ""
    """The address, or the image itself as a data URL."""
    detail: Tolerant[str] = None
    """auto, low or high."""


class ImageUrlPart(MessagePart):
    """Hold an image that lies elsewhere."""

    kinds: ClassVar = ("image_url",)
    type: TolerantText = "image_url"
    """Always image_url."""
    image_url: Tolerant[ImageUrl] = None
    """Where."""


class RefusalPart(MessagePart):
    """Hold the words with which the model refused."""

    kinds: ClassVar = ("refusal",)
    type: TolerantText = "refusal"
    """Always refusal."""
    refusal: TolerantText = ""
    """The words."""
