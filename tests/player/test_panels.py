"""Finding images in any nest."""

from collections import OrderedDict
from typing import NamedTuple

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from alf.player.panels import find_panels
from alf.summary.render.image import Image


def image(name: str = "") -> Image:
    return Image(np.zeros((2, 2, 3), np.uint8), name)


class Info(NamedTuple):
    actor: object = ()
    critic: object = ()


leaves = st.one_of(
    st.builds(image, st.sampled_from(["a", "b", "scope/c", ""])),
    st.none(),
    st.integers(),
    st.builds(lambda: torch.zeros(2)),
    st.builds(lambda: torch.distributions.Categorical(torch.ones(2))),
    st.builds(object),
)
nests = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.sampled_from("xyzw"), inner, max_size=4),
        st.builds(Info, inner, inner),
    ),
    max_leaves=20,
)


def all_images(nest) -> list[Image]:
    if isinstance(nest, Image):
        return [nest]
    inner = list(nest.values()) if isinstance(nest, dict) else nest
    return [i for x in inner for i in all_images(x)] if isinstance(inner, list | tuple) else []


@given(nests)
def test_every_image_is_found_once_in_order(nest):
    """Whatever the nest, all images come out, in the order they were put in, and nothing else."""
    expected = list({id(i): i for i in all_images(nest)}.values())

    assert [id(i) for i in expected] == [id(i) for i in find_panels(nest).values()]


@given(nests)
def test_names_are_the_images_own(nest):
    """A panel is called as its image, up to a number for the second of a name."""
    for name, found in find_panels(nest).items():
        assert name
        assert not found.name or name == found.name or name.startswith(f"{found.name} (")


def test_same_names_are_numbered():
    """The second image of a name is called "name (2)"."""
    found = find_panels([image("a"), image("a"), image("a (2)"), image("a")])

    assert list(found) == ["a", "a (2)", "a (2) (2)", "a (3)"]


def test_an_image_in_two_places_is_one_panel():
    """The same image twice in a nest is found once."""
    twice = image("a")

    assert list(find_panels({"x": twice, "y": [twice]})) == ["a"]


def test_an_unnamed_image_is_called_by_its_place():
    """A place in the nest is a name; a lone image is a "panel"."""
    assert list(find_panels({"x": Info(critic=[image()])})) == ["x/critic/0"]
    assert list(find_panels(image())) == ["panel"]


def test_dicts_keep_the_order_of_writing():
    """Panels stand in the order in which the algorithm's author wrote them."""
    nest = OrderedDict(z=image("z"), a=image("a"))

    assert list(find_panels({"ac": (), **nest})) == ["z", "a"]


def test_no_image_no_panel():
    """Info without images, and no info, have no panels."""
    assert find_panels(()) == {}
    assert find_panels(Info(torch.zeros(3), None)) == {}
