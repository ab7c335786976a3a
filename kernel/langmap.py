"""Text in Thai and English as one value: `{"th": ..., "en": ...}`, Thai required."""

from collections.abc import Mapping

LangMap = Mapping[str, str]
"""Language code (`th`, `en`) to text."""


def text_in(language: str, texts: LangMap) -> str:
    """The text in the wanted language, else the Thai one, else any.

    language   a language code; regions are ignored (`th-TH` asks for `th`)
    texts      at least one entry
    """
    wanted = language.replace("_", "-").split("-", 1)[0].lower()
    for code in (wanted, "th"):
        if texts.get(code):
            return texts[code]
    return next(iter(texts.values()))
