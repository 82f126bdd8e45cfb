"""What MQTT peers say, as Hypothesis makes it."""

from typing import Any

from hypothesis import strategies as st

from wsgate_dataplane.protocols.mqtt.connect import Connect, Will
from wsgate_dataplane.protocols.mqtt.fields import write_variable
from wsgate_dataplane.protocols.mqtt.packets import allowed_packets
from wsgate_dataplane.protocols.mqtt.properties import (
    AUTHENTICATION_DATA,
    AUTHENTICATION_METHOD,
    CONNECT_PROPERTIES,
    USER_PROPERTY,
    WILL_PROPERTIES,
    Encoding,
    Properties,
    Property,
)

texts = st.text(st.characters(exclude_categories=("Cc", "Cn", "Cs")), max_size=12)
topics = st.text(
    st.characters(exclude_categories=("Cc", "Cn", "Cs"), exclude_characters="+#"), min_size=1, max_size=9
)
binaries = st.binary(max_size=20)


def values(expected: Property) -> st.SearchStrategy[Any]:
    """Values that the property may hold."""
    match expected.encoding:
        case Encoding.TEXT:
            return texts
        case Encoding.TOPIC:
            return topics
        case Encoding.BINARY:
            return binaries
        case Encoding.PAIR:
            return st.tuples(texts, texts)
        case number:
            return st.integers(expected.least, min(expected.most, 256**number.value - 1))


@st.composite
def properties(draw: st.DrawFn, *, of_will: bool = False) -> Properties:
    """Properties of a CONNECT or of its will, in any order."""
    allowed = WILL_PROPERTIES if of_will else CONNECT_PROPERTIES
    chosen = draw(st.lists(st.sampled_from(sorted(set(allowed) - {USER_PROPERTY})), unique=True))
    if AUTHENTICATION_DATA in chosen and AUTHENTICATION_METHOD not in chosen:
        chosen.remove(AUTHENTICATION_DATA)
    chosen += [USER_PROPERTY] * draw(st.integers(0, 3))
    return tuple((each, draw(values(allowed[each]))) for each in draw(st.permutations(chosen)))


@st.composite
def wills(draw: st.DrawFn, level: int) -> Will:
    """Wills of a CONNECT of that level."""
    return Will(
        topic=draw(topics),
        payload=draw(binaries),
        qos=draw(st.integers(0, 2)),
        retain=draw(st.booleans()),
        properties=draw(properties(of_will=True)) if level == 5 else (),
    )


@st.composite
def connects(draw: st.DrawFn, levels: tuple[int, ...] = (3, 4, 5)) -> Connect:
    """CONNECTs of any of the levels."""
    level, clean_start = draw(st.sampled_from(levels)), draw(st.booleans())
    may_be_empty = level == 5 or (level == 4 and clean_start)
    user_name = draw(st.none() | texts)
    return Connect(
        level=level,
        clean_start=clean_start,
        keep_alive=draw(st.integers(0, 65535)),
        client_id=draw(texts) if may_be_empty else draw(topics),
        user_name=user_name,
        password=draw(st.none() | binaries) if level == 5 or user_name is not None else None,
        will=draw(st.none() | wills(level)),
        properties=draw(properties()) if level == 5 else (),
    )


def packet(first: int, body: bytes = b"") -> bytes:
    """A packet of any first byte."""
    return bytes((first,)) + write_variable(len(body)) + body


@st.composite
def packets(draw: st.DrawFn, level: int, *, from_client: bool) -> bytes:
    """Packets that may follow a CONNECT, with bodies that mean nothing."""
    allowed = allowed_packets(level, from_client=from_client)
    first = draw(st.sampled_from(sorted(allowed)))
    least, most = allowed[first]
    size = draw(st.one_of(st.just(least), st.integers(least, least + 20), st.sampled_from([127, 128, 16_384])))
    return packet(first, bytes(max(least, min(size, most))))


noise = st.binary(min_size=1, max_size=6)


@st.composite
def streams(draw: st.DrawFn, level: int, *, from_client: bool) -> bytes:
    """Packets in a row, most of them right."""
    right = packets(level, from_client=from_client)
    return b"".join(draw(st.lists(st.one_of(right, right, right, right, noise), max_size=8)))
