"""What a message says, whatever its parts."""

from __future__ import annotations

from typing import Any

import pytest

from threadrun.models import (
    FileCitationAnnotation,
    FilePathAnnotation,
    ImageFilePart,
    ImageUrlPart,
    Message,
    MessagePart,
    RefusalPart,
    TextPart,
    UrlCitationAnnotation,
)

CITATION = {
    "type": "file_citation",
    "text": "【0】",
    "start_index": 1,
    "end_index": 4,
    "file_citation": {"file_id": "f1"},
}
PATH = {"type": "file_path", "text": "sandbox:/a", "file_path": {"file_id": "f2"}}
URL = {"type": "url_citation", "text": "【1】", "url_citation": {"url": "https://a", "title": None}}


def message_with(content: Any) -> Message:
    return Message.from_wire({"id": "msg_1", "content": content})


def text_part(value: str, *annotations: dict[str, Any]) -> dict[str, Any]:
    return {"type": "text", "text": {"value": value, "annotations": list(annotations)}}


def test_text_joins_the_text_parts_by_newlines_and_leaves_the_others_out() -> None:
    image = {"type": "image_file", "image_file": {"file_id": "f"}}
    assert message_with([text_part("one"), image, text_part("two")]).text == "one\ntwo"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, ""),
        ([], ""),
        ("bare", "bare"),
        ([{"type": "text", "text": "bare part"}], "bare part"),
        ([{"type": "text", "text": None}], ""),
        ([{"type": "text"}, 5, text_part("x")], "\nx"),
        ([text_part("x"), {"type": "hologram", "hologram": {}}], "x"),
    ],
    ids=repr,
)
def test_text_is_found_in_every_form_of_content(content: Any, text: str) -> None:
    message = message_with(content)
    assert message.text == text
    assert message.to_wire()["content"] == content


def test_each_part_has_its_kind() -> None:
    message = message_with(
        [
            text_part("x"),
            {"type": "image_file", "image_file": {"file_id": "f", "detail": "low"}},
            {"type": "image_url", "image_url": {"url": "https://a"}},
            {"type": "refusal", "refusal": "no"},
            {"type": "hologram", "hologram": {"size": 3}},
        ]
    )
    text, file, url, refusal, unknown = message.content
    assert isinstance(text, TextPart)
    assert isinstance(file, ImageFilePart)
    assert file.image_file is not None
    assert (file.image_file.file_id, file.image_file.detail) == ("f", "low")
    assert isinstance(url, ImageUrlPart)
    assert url.image_url is not None
    assert url.image_url.url == "https://a"
    assert isinstance(refusal, RefusalPart)
    assert refusal.refusal == "no"
    assert (type(unknown), unknown.payload) == (MessagePart, {"size": 3})


def test_annotations_name_files_and_pages() -> None:
    (part,) = message_with([text_part("x", CITATION, PATH, URL, {"type": "new", "text": "t"})]).content
    assert isinstance(part, TextPart)
    citation, path, url, unknown = part.annotations
    assert isinstance(citation, FileCitationAnnotation)
    assert citation.file_citation is not None
    assert (citation.file_citation.file_id, citation.start_index, citation.end_index) == ("f1", 1, 4)
    assert isinstance(path, FilePathAnnotation)
    assert path.file_path is not None
    assert path.file_path.file_id == "f2"
    assert isinstance(url, UrlCitationAnnotation)
    assert url.url_citation is not None
    assert url.url_citation.url == "https://a"
    assert unknown.text == "t"


def test_attachments_name_files_and_null_means_none() -> None:
    attached = [{"file_id": "f", "tools": [{"type": "file_search"}]}]
    message = Message.from_wire({"id": "m", "attachments": attached})
    assert [(a.file_id, a.tools) for a in message.attachments] == [("f", ({"type": "file_search"},))]
    assert Message.from_wire({"id": "m", "attachments": None}).attachments == ()
