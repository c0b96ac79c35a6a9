"""Mergescape in the browser: `make app`, or `streamlit run app.py`."""

import streamlit as st

from ui import archives, exports
from ui.shell import run
from ui.warm import while_serving

if __name__ == "__main__":  # the script that Streamlit runs for every visit
    run()
else:  # the web application that `streamlit run` finds in this file
    app = st.App(__file__, routes=[*exports.routes(), *archives.routes()], lifespan=while_serving)
