"""Cleans HTML from notebooks: what is left runs nothing and loads nothing. The only adapter of nh3."""

import html
import re
from collections import Counter
from collections.abc import Iterable

import nh3

# Scripts in an SVG run only if it is a separate document, not in an `img`.
_IMAGE = re.compile(r"data:image/(?:png|jpeg|gif|webp|svg\+xml);base64,", re.IGNORECASE)
_STYLES = """background-color border border-collapse color display font-family font-size font-style font-weight height
 line-height margin margin-left max-width padding padding-left text-align text-decoration vertical-align white-space
 width"""  # None of these takes a URL, or puts an element on top of others.


# Of elements in elements: the time of nh3 (0.3) grows with its square.
_DEEPEST = 5_000
# Tags without those whose elements end by themselves.
_TAG = re.compile(
    r"<(/?)(?!(?:p|li|dt|dd|td|th|tr|tbody|thead|option|br|hr|img|col|input|wbr|meta|link|source)\b)([a-z]\w*)"
)


class Cleaner:
    """Cleans texts. `attributes` are those that every element may have."""

    NOT_SHOWN = "[Not shown: this page runs no scripts, which this output needs ({types}).]"

    def __init__(self, attributes: Iterable[str]) -> None:
        self._cleaner = nh3.Cleaner(
            clean_content_tags={"script", "style", "svg", "template", "title"},
            attributes={**nh3.ALLOWED_ATTRIBUTES, "*": set(attributes)},
            attribute_filter=_attribute,
            url_schemes={"data", "http", "https", "mailto"},
            filter_style_properties=set(_STYLES.split()),
        )

    def clean(self, text: str) -> str:
        """Return clean HTML. What is nested too deeply is shown as text."""
        text = text.encode(errors="backslashreplace").decode()
        return html.escape(text) if _depth(text) > _DEEPEST else str(self._cleaner.clean(text))

    def shows_nothing(self, text: str) -> bool:
        """Whether nothing is left of HTML but empty elements: what it shows needs scripts."""
        return not re.sub(r"<(?!img\b)[^>]*>", "", self.clean(text)).strip()


def _depth(text: str) -> int:
    """Return how many elements are in each other at most."""
    deepest, depth, unclosed = 0, 0, Counter[str]()
    for slash, name in _TAG.findall(text.lower()):
        if not slash:
            change = 1
        elif unclosed[name]:
            change = -1
        else:
            continue
        unclosed[name] += change
        depth += change
        deepest = max(deepest, depth)
    return deepest


def _attribute(_tag: str, name: str, value: str) -> str | None:
    """Return the value of an attribute, or None to remove it: only images may have `data:` URLs."""
    if name == "src":
        return value if _IMAGE.match(value) else None
    bare = re.sub(r"[\x00-\x20]", "", value).lower()  # as a browser reads a URL
    return None if name in {"href", "cite"} and bare.startswith("data:") else value
