"""A plain Streamlit page over a made-up front, as anyone would write it first: the script runs again for every step.

    streamlit run benchmarks/peers/plain_streamlit.py -- FRONT.npz

FRONT holds Y (k, m), what k mixes reach on m tasks. A slider per task, the mixes that are left as a number and a chart.
"""

import sys

import numpy as np
import pandas as pd
import plotly.express as px
import streamlit as st


@st.cache_data
def front(path: str) -> pd.DataFrame:
    """The mixes by task."""
    with np.load(path) as file:
        Y = file["Y"]
    return pd.DataFrame(Y, columns=[f"Task {number + 1}" for number in range(Y.shape[1])])


st.set_page_config(layout="wide")
table = front(sys.argv[1])
left, right = st.columns([1, 2])
least = {name: left.slider(f"Minimum for {name}", 0.0, 1.0, 0.0, 0.01) for name in table}
kept = table[(table >= pd.Series(least)).all(axis=1)]
right.metric("Mixes left", len(kept))
right.plotly_chart(px.scatter(kept, x=table.columns[0], y=table.columns[1]))
