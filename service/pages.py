"""The web page: one form over the API."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, render_template

from service.context import Context

blueprint = Blueprint("pages", __name__, static_folder="static", static_url_path="/static")


@blueprint.after_request
def in_no_frame(response: Response) -> Response:
    """Keep the page out of other sites' frames, where a click on it could be stolen."""
    response.headers["Content-Security-Policy"] = "frame-ancestors 'none'"
    return response


@blueprint.get("/")
def index() -> str:
    """Return the page."""
    context: Context = current_app.extensions["issue-router"]
    matrix = context.live.router.matrix
    return render_template("index.html", matrix=matrix)
