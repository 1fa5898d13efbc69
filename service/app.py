"""The web application: routes texts over HTTP."""

from __future__ import annotations

import atexit

from flask import Flask, Response, jsonify
from flask_swagger_ui import get_swaggerui_blueprint

from model.router import Router
from service import api, pages, problems
from service.context import Context
from service.corrections import CorrectionStore
from service.live import LiveRouter, PinnedRouter
from service.metrics import Metrics
from service.openapi import describe
from service.settings import Settings

_BYTES_OF_A_CHARACTER = 12  # the most that JSON takes for one: a pair of \\uXXXX escapes


def create_app(settings: Settings | None = None, router: Router | None = None) -> Flask:
    """Return the application; nothing is loaded before this is called.

    Parameters
    ----------
    settings : Settings, optional
        Read from the environment by default.
    router : Router, optional
        A router to serve as it is; by default the champion is loaded, and exchanged whenever another one is promoted.

    Raises
    ------
    DataError
        When a setting, the matrix or the rules are not valid.
    """
    settings = settings or Settings.from_env()
    store = CorrectionStore(settings.database_url)
    live = PinnedRouter(router.with_precedents(store)) if router else LiveRouter(settings, store).start()
    context = Context(settings, live, store, Metrics())
    atexit.register(store.close)

    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 65_536 + _BYTES_OF_A_CHARACTER * settings.max_batch_characters
    app.extensions["issue-router"] = context
    problems.install(app)
    app.register_blueprint(api.blueprint)
    app.register_blueprint(pages.blueprint)
    description = describe(settings, live.router.matrix)

    @app.get("/openapi.json")
    def openapi() -> Response:
        return jsonify(description)

    app.register_blueprint(get_swaggerui_blueprint("/docs", "/openapi.json", config={"app_name": "issue-router"}))
    return app
