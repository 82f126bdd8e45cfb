"""A file's text becomes objects, legacy routes, problems and notes."""

from hypothesis import given
from hypothesis import strategies as st

from wsgate_operator.sources.file_content import Content, read_content

GOOD = (
    "apiVersion: wsgate.dev/v1alpha1\nkind: WsRoute\nmetadata: {name: a}\nspec: {prefix: /a, upstream: 'ws://a'}\n"
)


def read(text: str) -> Content:
    return read_content("routes.yaml", text, "default")


@given(st.text() | st.text(alphabet="kind: WsRoute\n[]{}-,").map(lambda text: GOOD + text))
def test_any_text_is_content_and_never_an_exception(text: str) -> None:
    assert isinstance(read(text), Content)


def test_an_object_without_namespace_gets_the_given_one() -> None:
    (placed,) = read(GOOD).objects
    assert (placed.identity, placed.place) == (("WsRoute", "default/a"), "routes.yaml:1")


def test_several_documents_and_lists_give_their_objects() -> None:
    inner = GOOD.replace("name: a", "name: b").replace("\n", "\n  ").rstrip()
    content = read(f"{GOOD}---\napiVersion: v1\nkind: List\nitems:\n- {inner}\n")
    assert content.problems == ()
    assert [(placed.value.key, placed.line) for placed in content.objects] == [("default/a", 1), ("default/b", 9)]


def test_a_fault_is_placed_at_its_line_and_field() -> None:
    (problem,) = read(GOOD.replace("prefix: /a", "prefix: a")).problems
    assert str(problem) == (
        'routes.yaml:4: spec.prefix: expected a path such as /chat, found "a"; begin it with "/"'
    )
    assert problem.column == 8


def test_a_fault_in_a_list_is_placed_at_its_item() -> None:
    (problem,) = read("kind: List\nitems:\n- kind: WsRout\n").problems
    assert (problem.line, problem.path) == (3, "kind")


def test_foreign_kinds_are_skipped_with_a_note() -> None:
    content = read("apiVersion: v1\nkind: ConfigMap\ndata: {a: b}\n---\n" + GOOD)
    assert len(content.objects) == 1
    assert [str(note) for note in content.notes] == [
        'routes.yaml:1: skipped: kind "ConfigMap" is not of this gateway'
    ]


def test_a_list_of_entries_is_legacy() -> None:
    content = read("- prefix: /a\n  upstream: ws://a\n")
    assert [entry.prefix for entry in content.legacy] == ["/a"]
    (problem,) = read("- prefix: /a\n  upstream: ws://a\n- prefix: b\n  upstream: ws://b\n").problems
    assert str(problem).startswith("routes.yaml:3: [1].prefix: expected a path such as /chat")


def test_a_scalar_is_no_object() -> None:
    (problem,) = read("just text").problems
    assert str(problem) == ('routes.yaml:1: expected an object, found "just text"; begin with apiVersion and kind')
