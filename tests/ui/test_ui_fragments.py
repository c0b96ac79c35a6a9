"""What goes wrong in a part of a page that is drawn anew by itself is one line too."""

import re

from streamlit.testing.v1 import AppTest

from tests.conftest import ROOT
from ui import copy


def test_an_error_in_a_fragment_is_one_line_and_the_rest_of_the_page_stays() -> None:
    def page() -> None:
        import streamlit as st

        from study.errors import StudyError
        from ui.fragments import fragment

        @fragment(run_every=60.0)
        def part(error: Exception) -> None:
            st.caption("before")
            raise error

        @fragment()
        def leaving() -> None:
            if st.button("Go on"):
                st.rerun()

        part(StudyError("There is no such study.", "Make one."))
        part(ValueError("7 is too much"))
        leaving()
        st.markdown("after")

    app = AppTest.from_function(page).run()
    for _ in range(2):
        assert not app.exception
        assert [one.value for one in app.error] == [
            "There is no such study. Make one.",
            copy.UNEXPECTED.format(error="7 is too much"),
        ]
        assert copy.UNEXPECTED_HELP in [one.value for one in app.caption] and app.markdown[-1].value == "after"
        app.button[0].click().run()  # a rerun is no error


def test_every_fragment_of_the_pages_is_of_that_kind() -> None:
    found = {path.name for path in (ROOT / "ui").rglob("*.py") if re.search(r"st\.fragment\b", path.read_text())}
    assert found == {"fragments.py"}
