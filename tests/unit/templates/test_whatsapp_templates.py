"""Templates are checked here, so that Meta does not have to refuse them."""

import pytest

from fwai.templates.whatsapp_templates import (
    WHATSAPP_TEMPLATES,
    Parameter,
    Template,
    TemplateError,
    render,
)

TWO = (Parameter("a", "first", 10), Parameter("b", "second"))


def test_positions_follow_the_template_not_the_caller() -> None:
    rendered = Template("t", "en_US", "", "{{a}} {{b}}", TWO).render({"b": "2", "a": " 1 "})

    assert rendered == {
        "name": "t",
        "language": {"code": "en_US"},
        "components": [
            {
                "type": "body",
                "parameters": [{"type": "text", "text": "1"}, {"type": "text", "text": "2"}],
            }
        ],
    }


def test_named_parameters_and_a_button() -> None:
    template = Template(
        "t", "en", "", "{{a}}", TWO[:1], named=True, url_suffix=Parameter("path", "of the URL")
    )

    body, button = template.render({"a": "1", "path": "x"})["components"]

    assert body["parameters"] == [{"type": "text", "text": "1", "parameter_name": "a"}]
    assert button == {
        "type": "button",
        "sub_type": "url",
        "index": "0",
        "parameters": [{"type": "text", "text": "x"}],
    }


def test_without_variables_there_are_no_components() -> None:
    assert Template("t", "en", "", "Hello").render({}) == {"name": "t", "language": {"code": "en"}}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"a": "1"}, "needs b"),
        ({"a": "1", "b": "  "}, "needs b"),
        ({"a": "1", "b": "2", "c": "3"}, "no parameter c"),
        ({"a": "1" * 11, "b": "2"}, "longer than 10"),
        ({"a": "1\n2", "b": "2"}, "line breaks"),
        ({"a": "1\t2", "b": "2"}, "line breaks"),
        ({"a": "1     2", "b": "2"}, "long gaps"),
    ],
)
def test_a_value_that_does_not_fit_is_named(values: dict[str, str], words: str) -> None:
    with pytest.raises(TemplateError, match=words):
        Template("t", "en", "", "{{a}} {{b}}", TWO).render(values)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Template("Has Spaces", "en", "", ""),
        lambda: Template("t", "", "", ""),
        lambda: Template("t", "en", "", "{{a}}", TWO),
        lambda: Template("t", "en", "", "{{a}}", (TWO[0], TWO[0])),
        lambda: Template("t", "en", "", "", url_suffix=TWO[0], asks_permission=True),
    ],
)
def test_a_template_that_cannot_be_right_is_refused_at_once(make: object) -> None:
    assert callable(make)
    with pytest.raises(TemplateError):
        make()


def test_all_ours_can_be_rendered() -> None:
    for name, template in WHATSAPP_TEMPLATES.items():
        values = {one.name: "x" for one in template.parameters}
        assert render(name, values)["name"] == name
    with pytest.raises(TemplateError, match="demo_booked"):
        render("unknown", {})
