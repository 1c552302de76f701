"""Addresses in texts that a model wrote: URLs, e-mail, and bare domains such as example.com/login.

A domain and the name of a file or of an attribute look alike (node.js, main.rs, this.id). So a domain is one by its
ending, and endings that are mostly something else make one only together with a path.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable

_ADDRESS = re.compile(r"(?i)\b(?:[a-z][a-z0-9+.-]*://|www\.|mailto:|javascript:|data:)|\b[\w.+-]+@[\w-]+\.\w")
_DOMAIN = re.compile(r"(?<![\w-])((?:[\w-]{1,63}[.\u3002]){1,8}([^\W\d_]{2,}|xn--[a-z0-9-]+))(?![\w-])(/?)")
_GENERIC = (
    "app art bar bank biz blog buzz center click cloud club com dev edu email finance fun gov help host icu info "
    "int life link live lol mil mobi mov net news one online org page pro pub rest security shop site space store "
    "support tech top vip web website wiki win work world wtf xxx xyz zip zone"
)
_OF_COUNTRIES = (
    "ac ai at au be bg br by ca cf ch ci cl cn co cx cz de dk ee es eu fi fm fr ga gd ge gg gl gq gr hk hr hu ie il "
    "io ir it jp ke kr kz la lt lu lv ly me mk mn ms mx my ng nl nu nz pe ph pk pt pw ro ru sa se sg si sk su th tk "
    "tn to tr tv tw ua uk us uy uz vc vn ws za"
)
_ENDINGS = frozenset(f"{_GENERIC} {_OF_COUNTRIES}".split())
_OF_FILES_TOO = frozenset(("am", "cc", "id", "in", "is", "md", "ml", "no", "pl", "ps", "py", "rs", "sh", "so", "st"))
_NAMES = frozenset(("ado.net", "asp.net", "ml.net", "socket.io", "vb.net"))
"""Of software, whatever stands at the domain."""


def has_address(text: str) -> bool:
    """Whether it has a URL or an address of e-mail; a domain alone is none."""
    return bool(_ADDRESS.search(text))


def domains_in(text: str) -> set[str]:
    """The bare domains, folded."""
    found = _DOMAIN.findall(unicodedata.normalize("NFKC", text).casefold())
    return {domain.replace("\u3002", ".") for domain, ending, path in found if _is_ending(ending, path)} - _NAMES


def other_domains(text: str, known: Collection[str]) -> set[str]:
    """The bare domains that are neither known nor below one that is."""
    return {domain for domain in domains_in(text) if not _is_below(domain, known)}


def _is_ending(ending: str, path: str) -> bool:
    return ending in _ENDINGS or ending.startswith("xn--") or bool(path and ending in _OF_FILES_TOO)


def _is_below(domain: str, known: Iterable[str]) -> bool:
    return any(domain == each or domain.endswith(f".{each}") for each in known)
