from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from nas.markup import Markup, document, element, escape, table


class Read(HTMLParser):
    """What a browser would see."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


TEXT = st.text(st.characters(exclude_characters="\r\0", exclude_categories=["Cs"]))


@given(TEXT, TEXT)
def test_whatever_text_is_it_stays_text(content: str, title: str) -> None:
    seen = Read(element("p", content, title=title))
    assert seen.tags == ["p"]
    assert seen.text == content
    assert seen.attributes == [("title", title)]


def test_markup_stays_markup_and_lists_are_joined() -> None:
    assert escape(["a<", Markup("<br/>"), (1, [2])]) == "a&lt;<br/>12"
    assert element("p", element("b", "x"), "&", class_="a", aria_label='"', hidden=True, id=None, open=False) == (
        '<p class="a" aria-label="&quot;" hidden><b>x</b>&amp;</p>'
    )
    assert element("rect", width=3) == '<rect width="3"/>'
    assert element("td") == "<td></td>"


def test_tables_say_what_heads_what() -> None:
    text = table("Sizes", ("name", "bytes"), [("<a>", "1")], foot=("all", "1"))
    assert '<th scope="row" class="word">&lt;a&gt;</th><td>1</td>' in text
    assert '<th scope="col">bytes</th>' in text
    assert "<caption>Sizes</caption>" in text
    assert text.index("<tfoot>") > text.index("</tbody>")


def test_a_page_asks_a_network_for_nothing() -> None:
    page = document("a & b", element("p", "text"))
    assert page.startswith("<!doctype html>")
    assert "<title>a &amp; b</title>" in page
    assert "@import" not in page
    assert "url(" not in page
