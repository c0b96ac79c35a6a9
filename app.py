"""Mergescape in the browser: `make app`, or `streamlit run app.py`."""

import streamlit as st

from ui import warm

if __name__ == "__main__":  # the script that Streamlit runs for every visit
    warm.first_page()
    from ui.shell import run

    run()
else:  # the web application that `streamlit run` finds in this file
    from ui.routes import routes

    app = st.App(__file__, routes=routes(), lifespan=warm.while_serving)
