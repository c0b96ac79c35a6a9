"""Mergescape in the browser: `make app`, or `streamlit run app.py`."""

import streamlit as st

from ui import archives, exports, pictures
from ui.shell import run
from ui.warm import while_serving

if __name__ == "__main__":  # the script that Streamlit runs for every visit
    run()
else:  # the web application that `streamlit run` finds in this file
    served = [*exports.routes(), *archives.routes(), *pictures.routes()]
    app = st.App(__file__, routes=served, lifespan=while_serving)
