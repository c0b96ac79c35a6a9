"""The face: the only code that imports streamlit or plotly. It reads studies and asks; it never computes a merge."""
