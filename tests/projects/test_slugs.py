"""Slugs: readable in every script, never empty, and fit for a URL."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devmentor_models.errors import InvalidValue
from devmentor_models.projects.slugs import MAX_BASE, check_slug, next_slug, slug_of


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("My First Project", "my-first-project"),
        ("  C++ / C#  ", "c-c"),
        ("Crème brûlée", "creme-brulee"),
        ("Straße", "strasse"),
        ("プロジェクト", "プロジェクト"),
        ("हिन्दी", "हिन्दी"),
        ("ﬁle①", "file1"),
        ("!!!", "project"),
        ("a" * 200, "a" * MAX_BASE),
    ],
)
def test_names_become_slugs(name: str, slug: str) -> None:
    """Accents of Latin letters go, letters of other scripts stay whole."""
    assert slug_of(name) == slug


@given(st.text())
def test_every_name_gives_a_slug_that_is_its_own(name: str) -> None:
    """Whatever the name: not empty, no white space, no slash, short enough, and usable as it is."""
    slug = slug_of(name)
    assert 0 < len(slug) <= MAX_BASE
    assert check_slug(slug) == slug
    assert not slug.startswith("-")


def test_the_first_free_number_is_taken() -> None:
    """Gaps are filled; the base itself comes first."""
    assert next_slug("a", {"a-2"}) == "a"
    assert next_slug("a", {"a", "a-3"}) == "a-2"


@pytest.mark.parametrize("slug", ["a b", "a/b", "a\tb", "a\u2003b"])
def test_unusable_slugs_are_refused(slug: str) -> None:
    """White space of any kind and slashes cannot stand in a path."""
    with pytest.raises(InvalidValue, match="slug"):
        check_slug(slug)
