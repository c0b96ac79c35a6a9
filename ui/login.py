"""Who may use the app, and how far it is open. Streamlit does the OpenID Connect part."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

import streamlit as st

from study.server import ROOTS
from ui import copy_server as told

USERS = "MERGESCAPE_USERS"
LOCAL = ("localhost", "127.0.0.1", "::1")
log = logging.getLogger(__name__)


def configured() -> bool:
    """Whether `.streamlit/secrets.toml` has a section [auth]."""
    return bool(st.secrets.load_if_toml_exists()) and "auth" in st.secrets


def address() -> str:
    """What the server listens on."""
    return str(st.get_option("server.address") or "0.0.0.0")  # noqa: S104 - Streamlit's meaning of nothing


def is_open() -> bool:
    """Whether other computers can reach it."""
    return address() not in LOCAL


def may_enter(user: Mapping[str, Any]) -> bool:
    """Whether a person who has logged in may use the app: all may, unless MERGESCAPE_USERS lists e-mail addresses."""
    listed = {one.strip().lower() for one in os.environ.get(USERS, "").split(",") if one.strip()}
    verified = user.get("email_verified", True) is not False
    return not listed or (verified and str(user.get("email") or "").lower() in listed)


def enter() -> bool:
    """True if the visitor may use the app; otherwise the way in is drawn."""
    if not configured():
        return True
    user: Any = st.user
    if not user.is_logged_in:
        st.markdown(told.LOGIN_LEAD)
        st.button(told.LOGIN, on_click=st.login, type="primary")
        return False
    if may_enter(user.to_dict()):
        return True
    st.error(told.STRANGER.format(who=str(user.get("email") or user.get("name") or "?")))
    st.button(told.LOGOUT, on_click=st.logout)
    return False


def close_in() -> None:
    """Where other computers can reach the server and nobody named folders, only the studies folder may be used."""
    if not is_open():
        return
    os.environ.setdefault(ROOTS, "")
    missing = "" if configured() else told.WARNING_NO_LOGIN
    log.warning(told.WARNING.format(address=address(), login=missing))
