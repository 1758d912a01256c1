"""What a message's text refers to."""

from __future__ import annotations

from typing import ClassVar

from threadrun.models.kinded import KindedModel
from threadrun.models.tolerant import Tolerant, TolerantText
from threadrun.models.wire import WireModel


class Annotation(KindedModel):
    """Mark a place in a text that refers to something; an unknown kind is read as this class."""

    text: TolerantText = ""
    """The mark in the text, to be replaced."""
    start_index: Tolerant[int] = None
    """Where the mark begins, in characters; null or absent at Azure for some kinds."""
    end_index: Tolerant[int] = None
    """Where it ends."""


class CitedFile(WireModel):
    """Name a file that is cited."""

    file_id: TolerantText = ""
    """The file."""
    quote: Tolerant[str] = None
    """The words quoted; no longer sent by OpenAI."""


class FileCitationAnnotation(Annotation):
    """Cite a file that the file search found (MessageContentTextAnnotationsFileCitationObject)."""

    kinds: ClassVar = ("file_citation",)
    type: TolerantText = "file_citation"
    """Always file_citation."""
    file_citation: Tolerant[CitedFile] = None
    """The file."""


class WrittenFile(WireModel):
    """Name a file that was written."""

    file_id: TolerantText = ""
    """The file."""


class FilePathAnnotation(Annotation):
    """Refer to a file that the code interpreter wrote (MessageContentTextAnnotationsFilePathObject)."""

    kinds: ClassVar = ("file_path",)
    type: TolerantText = "file_path"
    """Always file_path."""
    file_path: Tolerant[WrittenFile] = None
    """The file."""


class CitedUrl(WireModel):
    """Name a page that is cited."""

    url: TolerantText = ""
    """Its address."""
    title: Tolerant[str] = None
    """Its title."""


class UrlCitationAnnotation(Annotation):
    """Cite a page that a search found (Azure's MessageTextUrlCitationAnnotation)."""

    kinds: ClassVar = ("url_citation",)
    type: TolerantText = "url_citation"
    """Always url_citation."""
    url_citation: Tolerant[CitedUrl] = None
    """The page."""
