"""The web page: one form over the API."""

from __future__ import annotations

from flask import Blueprint, current_app, render_template

from service.context import Context

blueprint = Blueprint("pages", __name__, static_folder="static", static_url_path="/static")


@blueprint.get("/")
def index() -> str:
    """Return the page."""
    context: Context = current_app.extensions["issue-router"]
    matrix = context.live.router.matrix
    return render_template("index.html", matrix=matrix)
