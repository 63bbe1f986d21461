"""Requests to the exchange, each bad in one way by construction, so that no second validator has to agree."""

import json
import string
from dataclasses import dataclass
from urllib.parse import quote

from hypothesis import strategies as st

from tests.handlers.exchange_harness import JOHN

KEY = "k3y-of-the-exchange"
ID_LETTERS = string.ascii_letters + string.digits + "_"
WITH_KEY = ((b"x-api-key", KEY.encode()),)
WHOLE = json.dumps(JOHN).encode()


@dataclass(frozen=True)
class InvalidInput:
    method: str
    target: bytes
    body: tuple[bytes, ...]
    headers: tuple[tuple[bytes, bytes], ...] = WITH_KEY


# What is good, to surround what is bad

ids = st.text(ID_LETTERS, min_size=1, max_size=20)
names = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=50)
forms = st.fixed_dictionaries(
    {
        "name": names,
        "phone": st.from_regex(r"\A[0-9]{10}\Z"),
        "arpu": st.integers(0, 10**18 - 1) | st.from_regex(r"\A[0-9]{1,18}\Z"),
        "soc_tariff": st.text(string.printable.strip(), min_size=1, max_size=10),
    }
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def encoded(form: object) -> st.SearchStrategy[bytes]:
    return st.booleans().map(
        lambda ascii_only: json.dumps(form, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    )


@st.composite
def pieces(draw: st.DrawFn, body: bytes) -> tuple[bytes, ...]:
    """Cut a body as a network may cut it."""
    if len(body) > 1 and draw(st.booleans()):
        at = draw(st.integers(0, len(body)))
        return (body[:at], body[at:])
    return (body,)


good_bodies = forms.flatmap(encoded)

# Ids and paths


def _is_bad(segment: bytes) -> bool:
    return not (0 < len(segment) <= 20 and all(chr(byte) in ID_LETTERS for byte in segment))


def _is_one_segment(segment: bytes) -> bool:
    return segment != b"" and not set(segment) & set(b"/?")


bad_segments = (
    st.one_of(
        st.text(ID_LETTERS, min_size=21, max_size=60).map(str.encode),
        st.text(min_size=1, max_size=25).map(lambda text: quote(text.encode("utf-8", "replace"), safe="").encode()),
        st.text("０１２３４５６７８９٠١٢३４", min_size=1, max_size=20).map(lambda text: quote(text).encode()),
        st.binary(min_size=1, max_size=25),
        st.builds(
            lambda before, bad, after: (before + bad + after).encode("utf-8", "replace"),
            st.text(ID_LETTERS, max_size=8),
            st.sampled_from(
                ["%2F", "%5C", "%00", "%0A", "%0D%0A", "%2e", ".", "..", "-", "%", "%zz", "%41", "\0", "\n", " "]
            )
            | st.characters(codec="utf-8").filter(lambda char: char not in ID_LETTERS),
            st.text(ID_LETTERS, max_size=8),
        ),
    )
    .filter(_is_one_segment)
    .filter(_is_bad)
)
slashes = st.sampled_from([b"", b"/"])


@st.composite
def with_a_bad_id(draw: st.DrawFn) -> InvalidInput:
    target = b"/api/" + draw(bad_segments) + draw(slashes)
    method = draw(st.sampled_from(["GET", "HEAD", "POST", "DELETE"]))
    return InvalidInput(method, target, draw(pieces(draw(good_bodies))) if method == "POST" else (b"",))


@st.composite
def with_a_bad_path(draw: st.DrawFn) -> InvalidInput:
    card_id = draw(ids).encode()
    target = draw(
        st.sampled_from(
            [b"/", b"/api", b"/api/", b"/api//", b"//api/", b"/API/", b"/api/api/", b"/api/./", b"/apix/", b"api/"]
        ).map(lambda prefix: prefix + b"/" + card_id if prefix in {b"/api//", b"/api/"} else prefix + card_id)
        | st.binary(max_size=30).filter(
            lambda path: not path.startswith((b"/api/", b"/check_health")) and b"?" not in path
        )
        | st.just(b"/api/" + card_id + b"//")
        | st.just(b"/api/" + card_id + b"/" + card_id)
    )
    method = draw(st.sampled_from(["GET", "HEAD", "POST", "PUT"]))
    return InvalidInput(method, target, draw(pieces(draw(good_bodies))))


# Bodies

FIELDS = tuple(JOHN)


@st.composite
def bad_forms(draw: st.DrawFn) -> object:
    """A form with one field missing, of a wrong type, or out of its bounds."""
    form: dict[str, object] = dict(draw(forms))
    field = draw(st.sampled_from(FIELDS))
    missing = st.sampled_from([None, ""])
    not_text = json_values.filter(lambda value: not isinstance(value, str))
    unfit = st.characters(categories=["Cc", "Cs"])
    wrong: dict[str, st.SearchStrategy[object]] = {
        "name": not_text | st.text(min_size=51, max_size=200) | st.tuples(names, unfit).map("".join),
        "phone": not_text
        | st.text(max_size=9)
        | st.text(min_size=11, max_size=40)
        | st.from_regex(r"\A\d{10}\Z").filter(lambda text: not text.isascii()),
        "arpu": st.integers(max_value=-1)
        | st.integers(min_value=10**18, max_value=10**500)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.booleans()
        | st.text(max_size=30).filter(lambda text: not (text.isascii() and text.isdigit() and len(text) <= 18))
        | st.lists(json_values, max_size=2),
        "soc_tariff": not_text | st.text(min_size=11, max_size=100) | unfit,
    }
    if draw(st.integers(0, 4)) == 0:
        del form[field]
    else:
        form[field] = draw(missing | wrong[field])
    return form


_not_objects = json_values.filter(lambda value: not isinstance(value, dict))
_broken = st.one_of(
    st.binary(max_size=200).filter(lambda body: b"{" not in body),
    good_bodies.flatmap(lambda body: st.integers(0, len(body) - 1).map(lambda at: body[:at])),
    good_bodies.map(lambda body: body + b"}"),
    good_bodies.map(lambda body: body[:-1] + b', "x": NaN}'),
    good_bodies.map(lambda body: b'{"x": ' + b"[" * 3000 + body),
    good_bodies.map(lambda body: b'{"x": "\xff", ' + body[1:]),
    st.tuples(forms, st.sampled_from(["utf-16", "utf-16-le", "utf-32", "cp037"])).map(
        lambda pair: json.dumps(pair[0]).encode(pair[1])
    ),
    st.tuples(st.sampled_from([b"[", b'{"a":', b"[[{}],"]), st.integers(1, 600)).map(lambda pair: pair[0] * pair[1]),
    st.integers(4000, 4090).map(lambda digits: b"9" * digits),
)
_oversize = st.tuples(good_bodies, st.integers(4097, 20_000)).map(lambda pair: pair[0].ljust(pair[1]))
bad_bodies = bad_forms().flatmap(encoded) | _not_objects.flatmap(encoded) | _broken | _oversize


@st.composite
def with_a_bad_body(draw: st.DrawFn) -> InvalidInput:
    body = draw(bad_bodies)
    length = draw(st.sampled_from([(), ((b"content-length", b"5"),), ((b"content-length", str(len(body)).encode()),)]))
    kind = draw(
        st.sampled_from(
            [b"application/json", b"text/plain", b"multipart/form-data", b"application/json; charset=utf-16"]
        )
    )
    headers = (*WITH_KEY, (b"content-type", kind), *length)
    return InvalidInput("POST", b"/api/" + draw(ids).encode() + draw(slashes), draw(pieces(body)), headers)


# Verbs, parameters, keys

_queries = st.sampled_from(
    ["wait=", "wait=%00", "wait=26", "wait=-1", "wait=1&wait=2", "wait=NaN", "wait=1e400"]
) | st.text(min_size=1, max_size=20).filter(
    lambda text: not (text.replace(".", "").isascii() and text.replace(".", "").isdigit())
).map(lambda text: "wait=" + quote(text.encode("utf-8", "replace")))


@st.composite
def with_a_bad_verb_query_or_key(draw: st.DrawFn) -> InvalidInput:
    target = b"/api/" + draw(ids).encode() + draw(slashes)
    body = draw(pieces(draw(good_bodies | st.binary(max_size=50))))
    which = draw(st.sampled_from(["verb", "query", "key"]))
    if which == "verb":
        verbs = st.sampled_from(["PUT", "PATCH", "TRACE", "CONNECT", "PROPFIND"])
        verbs |= st.text(string.ascii_letters, min_size=1, max_size=10).filter(
            lambda verb: verb not in {"GET", "HEAD", "POST", "DELETE", "OPTIONS"}
        )
        return InvalidInput(draw(verbs), target, body)
    if which == "query":
        method = draw(st.sampled_from(["GET", "HEAD"]))
        return InvalidInput(method, target + b"?" + draw(_queries).encode("ascii"), (b"",))
    header = draw(st.sampled_from([b"x-api-key", b"authorization", b"cookie"]))
    wrong = draw(st.binary(max_size=60).filter(lambda value: KEY.encode() not in value))
    method = draw(st.sampled_from(["GET", "HEAD", "POST"]))
    return InvalidInput(method, target, body, draw(st.sampled_from([(), ((header, wrong),)])))
